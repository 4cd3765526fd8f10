"""Answers as a file: Avro, JSON lines or Parquet, by its ending; each with the place of its row."""

from __future__ import annotations

import types
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import fastavro
import msgspec
import pyarrow
import pyarrow.parquet

from infra.written import ending, new_file
from serving.answers import Answer

ENDINGS = (".avro", ".jsonl", ".ndjson", ".parquet")
_AVRO = {str: "string", float: "double", int: "long", bool: "boolean"}
_ARROW = {
    str: pyarrow.string(),
    float: pyarrow.float64(),
    int: pyarrow.int64(),
    bool: pyarrow.bool_(),
}


class AnswerFile:
    """Takes answers, and is there under its name once it is left without an error.

    Raises UnknownFormat and UnwritableFileError.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._ending = path, ending(path, ENDINGS)
        self._avro: Any = None
        self._parquet: Any = None

    def __enter__(self) -> AnswerFile:
        with ExitStack() as closing:
            self._file = closing.enter_context(new_file(self._path))
            if self._ending == ".avro":
                self._avro = fastavro.write.Writer(self._file, avro_schema(), codec="deflate")
                closing.callback(self._avro.flush)
            elif self._ending == ".parquet":
                self._parquet = pyarrow.parquet.ParquetWriter(self._file, arrow_schema())
                closing.callback(self._parquet.close)
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._closing.__exit__(*raised)

    def write(self, places: Sequence[str], answers: Sequence[Answer]) -> None:
        """Appends answers, each with the place of its row."""
        rows = [
            {"place": place, **msgspec.structs.asdict(answer)}
            for place, answer in zip(places, answers, strict=True)
        ]
        if self._ending in {".jsonl", ".ndjson"}:
            encode = msgspec.json.encode
            told = ({n: v for n, v in row.items() if v is not msgspec.UNSET} for row in rows)
            self._file.write(b"".join(encode(row) + b"\n" for row in told))
            return
        plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
        if self._avro is not None:
            for row in plain:
                self._avro.write(row)
        elif plain:
            self._parquet.write_table(pyarrow.Table.from_pylist(plain, arrow_schema()))


def avro_schema() -> dict[str, Any]:
    """The Avro record of an answer."""
    fields = [{"name": name, "type": _avro(kind)} for name, kind in _fields().items()]
    return {"type": "record", "name": "answer", "namespace": "headrace", "fields": fields}


def arrow_schema() -> Any:
    """The columns of an answer."""
    return pyarrow.schema([(name, _arrow(kind)) for name, kind in _fields().items()])


def _fields() -> dict[str, Any]:
    return {"place": str, **get_type_hints(Answer)}


def _avro(kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _avro(get_args(kind)[0])}
    known = _known(kind)
    return _AVRO[known] if known is kind else ["null", _AVRO[known]]


def _arrow(kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return pyarrow.list_(_arrow(get_args(kind)[0]))
    return _ARROW[_known(kind)]


def _known(kind: Any) -> Any:
    """The type beside None and UNSET."""
    if get_origin(kind) not in {Union, types.UnionType}:
        return kind
    nothing = {type(None), msgspec.UnsetType}
    return next(part for part in get_args(kind) if part not in nothing)


def _plain(value: Any) -> Any:
    if value is msgspec.UNSET:
        return None
    return list(value) if isinstance(value, tuple) else value
