"""Files that a person asked for: each is whole or not there, and says why it cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class UnknownFormat(ValueError):
    """The file's ending names no format that is written here."""


class UnwritableFileError(ValueError):
    """A file cannot be written where it was asked for; names the path and the reason."""


def ending(path: Path, among: Iterable[str]) -> str:
    """The ending that names the format, in small letters; raises UnknownFormat."""
    known = list(among)
    found = path.suffix.lower()
    if found not in known:
        raise UnknownFormat(f"{path}: expected a name that ends in {', '.join(known)}")
    return found


def check_apart(read: Path, path: Path) -> None:
    """Raises UnwritableFileError where writing `path` would destroy the file that is read."""
    if _same(read, path) or _same(read, _part_of(path)):
        raise UnwritableFileError(f"{path} is {read}, which is read; expected another file")


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, there under its name once it is left without an error.

    Raises UnwritableFileError where it cannot be.
    """
    part = _part_of(path)
    file = _begun(path, part)
    try:
        with file:
            yield file
        _rename(part, path)
    finally:
        part.unlink(missing_ok=True)


def _begun(path: Path, part: Path) -> IO[bytes]:
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        return part.open("wb")
    except FileExistsError:
        raise UnwritableFileError(f"{path}: {path.parent} is no folder") from None
    except OSError as error:
        raise UnwritableFileError(f"{path}: cannot be written: {error.strerror}") from None


def _rename(part: Path, path: Path) -> None:
    try:
        part.replace(path)
    except OSError as error:
        raise UnwritableFileError(f"{path}: cannot be written: {error.strerror}") from None


def _part_of(path: Path) -> Path:
    """Where a file stands until it is whole."""
    return path.with_name(f".{path.name}.part")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False
