"""A file that was asked for is whole, or not there and the reason is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.written import UnknownFormat, UnwritableFileError, check_apart, ending, new_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    with new_file(tmp_path / "deep" / "a.txt") as file:
        file.write(b"whole")
        assert names(tmp_path / "deep") == [".a.txt.part"]
    assert names(tmp_path / "deep") == ["a.txt"]
    assert (tmp_path / "deep" / "a.txt").read_bytes() == b"whole"


def test_what_fails_half_way_leaves_the_file_before_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), new_file(path) as file:
        file.write(b"half" * (1 // 0))
    assert (names(tmp_path), path.read_text()) == (["a.txt"], "before")


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path, reason in (
        (tmp_path / "folder", "Is a directory"),
        (tmp_path / "file" / "a.txt", "file is no folder"),
        (tmp_path / "file" / "b" / "a.txt", "Not a directory"),
        (Path("/proc/a.txt"), "No such file or directory"),
    ):
        with pytest.raises(UnwritableFileError, match=f"^{path}: .*{reason}"), new_file(path):
            pytest.fail("it began")
    assert names(tmp_path) == ["file", "folder"]


def test_a_folder_that_comes_meanwhile_leaves_no_part(tmp_path: Path) -> None:
    with pytest.raises(UnwritableFileError, match="Is a directory"), new_file(tmp_path / "a.txt"):
        (tmp_path / "a.txt").mkdir()
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("written", ["a.txt", "link.txt", "../{folder}/a.txt"])
def test_a_file_that_is_read_is_not_written(tmp_path: Path, written: str) -> None:
    read = tmp_path / "a.txt"
    read.touch()
    (tmp_path / "link.txt").symlink_to(read)
    path = tmp_path / written.format(folder=tmp_path.name)
    for one, other in ((read, path), (path, read)):
        with pytest.raises(UnwritableFileError, match="which is read; expected another file"):
            check_apart(one, other)
    (tmp_path / ".b.txt.part").touch()
    with pytest.raises(UnwritableFileError, match="which is read"):
        check_apart(tmp_path / ".b.txt.part", tmp_path / "b.txt")
    check_apart(read, tmp_path / "c.txt")
    check_apart(tmp_path / "none.txt", read)


def test_an_ending_names_the_format() -> None:
    assert ending(Path("a.PNG"), (".png", ".svg")) == ".png"
    with pytest.raises(UnknownFormat, match=r"^a: expected a name that ends in \.png, \.svg"):
        ending(Path("a"), (".png", ".svg"))
