"""Results of benchmarks as JSON files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


class ResultError(ValueError):
    """A file is not the result of a benchmark; names it."""


class _Kind(msgspec.Struct):
    kind: str


def save(result: msgspec.Struct | Mapping[str, object], path: Path) -> None:
    """Write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))


def load(path: Path, of: type[T]) -> T:
    """Read it; raises ResultError for a file that holds something else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=of)
    except msgspec.DecodeError as error:
        raise ResultError(f"{path} is no result of a benchmark: {error}") from error


def kind_of(path: Path) -> str:
    """Which benchmark a file is of; raises ResultError for one that is of none."""
    return load(path, _Kind).kind
