"""Domains are found by name and, anywhere, by the path of their folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from schemas import dataset, domains
from schemas.declare import DeclarationError

HERE = Path(domains.__file__).parent


def test_a_folder_anywhere_is_a_domain(tmp_path: Path) -> None:
    shutil.copytree(HERE / "payments", tmp_path / "flights")
    own = domains.load(str(tmp_path / "flights"))
    assert own == domains.load("payments")
    assert domains.load("flights").name == "flights"


def test_a_folder_whose_domain_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "domain.py").touch()
    with pytest.raises(DeclarationError, match="DOMAIN is a NoneType"):
        domains.load(f"{tmp_path}/")


def test_a_folder_without_data_is_a_domain_that_ships_none(tmp_path: Path) -> None:
    folder = tmp_path / "my.shop"
    shutil.copytree(HERE / "payments", folder)
    (folder / "dataset.py").unlink()
    with pytest.raises(DeclarationError, match="ships no data"):
        dataset.load(str(folder))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("payment", "did you mean 'payments'"),
        ("shop", "a folder needs a slash"),
        ("./no", "no dom"),
    ],
)
def test_a_domain_that_is_not_there_is_named(name: str, hint: str) -> None:
    with pytest.raises(DeclarationError, match=hint):
        domains.load(name)
