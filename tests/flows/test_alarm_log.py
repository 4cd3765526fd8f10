"""An alarm as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import alarm_log
from infra.written import UnknownFormat

ALARM = {
    "what": "feature", "name": "delay", "kind": "covariate", "direction": "up", "test": "psi",
    "statistic": 0.3, "threshold": 0.1, "window": "7 days", "bins": ["< 0", "≥ 0"],
    "reference": [0.5, 0.5], "recent": [0.1, 0.9],
}  # fmt: skip


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml")])
def test_the_ending_names_the_kind_of_picture(tmp_path: Path, name: str, begins: bytes) -> None:
    alarm_log.draw(ALARM, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["al.txt", "alarm"])
def test_what_is_no_picture_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownFormat, match=r"ends in .*\.png"):
        alarm_log.draw(ALARM, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
