"""Files of records: Avro containers, JSON lines and Parquet, read into rows of one shape.

A row that does not fit its schema comes out as a `BadRow` that names line and field, in its place
among the good ones: whether that stops the reading is for the caller to decide.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import fastavro
import pyarrow.parquet

from infra.records import Shape
from schemas import nearest
from schemas.declare import Schema

EVENT_FIELD = "event"
"""The field of a JSON line or a Parquet column that may name each row's event."""

SHOWN = 20
"""Bad rows that are kept to be shown."""

_AVRO, _PARQUET = b"Obj\x01", b"PAR1"
_NEVER_EMPTY = {".parquet": "Parquet", ".avro": "an Avro container"}
"""What such a file holds even where it has no rows."""
_BROKEN = (ValueError, LookupError, OSError, EOFError, struct.error, zlib.error)
"""What the readers raise when a container is cut off or its bytes have changed."""


class UnreadableFileError(ValueError):
    """A file that cannot be read at all, or an event that does not exist; says what was found."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record that fits its schema; `place` says where it stood, as `name:line`."""

    place: str
    event: str
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that does not fit, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass
class BadRows:
    """How many rows were bad, and the first of them, to be shown."""

    number: int = 0
    first: list[BadRow] = field(default_factory=list)

    def add(self, row: BadRow) -> None:
        """Counts it, and keeps it while they are few."""
        self.number += 1
        if self.number <= SHOWN:
            self.first.append(row)


@dataclass
class EventFile:
    """Rows of one file or stream; `done` of `size` (bytes) tell the progress.

    Its format is told by its first bytes. A pipe may hold any of the three; Parquet, whose index
    is at its end, is read into memory then.

    `event` names the event of every row; where it is None each row's field "event" does, or an
    Avro container's own record name.
    """

    name: str
    handle: IO[bytes]
    schemas: Mapping[str, Schema]
    event: str | None = None
    size: int = 0
    done: int = 0
    _shapes: dict[str, Shape] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row | BadRow]:
        start = self.handle.peek(4)[:4] if hasattr(self.handle, "peek") else b""
        read = {_AVRO: self._avro, _PARQUET: self._parquet}.get(start, self._json_lines)
        try:
            with self.handle:
                yield from read()
        except _BROKEN as error:
            raise UnreadableFileError(f"{self.name}: broken at {self.done}: {error}") from None

    def _row(self, number: int, values: Any, event: str | None) -> Row | BadRow:
        place = f"{self.name}:{number}"
        if not isinstance(values, dict):
            return BadRow(place, f"expected an object, found {type(values).__name__}")
        named = event or values.pop(EVENT_FIELD, None)
        try:
            return Row(place, str(named), self._shape(named).fit(values))
        except ValueError as error:
            return BadRow(place, str(error))

    def _shape(self, event: str | None) -> Shape:
        if event is None:
            raise ValueError(f'no event: give --event, or a field "{EVENT_FIELD}"')
        if not isinstance(event, str):
            raise ValueError(f"field {EVENT_FIELD!r}: expected text, found {type(event).__name__}")
        if event not in self.schemas:
            near = nearest.hint(event, self.schemas, f"known: {', '.join(self.schemas)}")
            raise ValueError(f"no event {event!r}{near}")
        if event not in self._shapes:
            self._shapes[event] = Shape(self.schemas[event])
        return self._shapes[event]

    def _json_lines(self) -> Iterator[Row | BadRow]:
        for number, line in enumerate(self.handle, 1):
            self.done += len(line)
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield BadRow(f"{self.name}:{number}", f"no JSON: {error}")
                continue
            yield self._row(number, values, self.event)

    def _avro(self) -> Iterator[Row | BadRow]:
        reader = fastavro.reader(self.handle)
        event = self.event or str(reader.writer_schema["name"]).rpartition(".")[2]
        for number, values in enumerate(reader, 1):
            self.done = self.handle.tell() if self.handle.seekable() else number
            yield self._row(number, values, event)
        self.done = self.size

    def _parquet(self) -> Iterator[Row | BadRow]:
        whole = self.handle if self.handle.seekable() else io.BytesIO(self.handle.read())
        table = pyarrow.parquet.ParquetFile(whole)
        rows = (values for batch in table.iter_batches() for values in batch.to_pylist())
        for number, values in enumerate(rows, 1):
            self.done = self.size * number // table.metadata.num_rows
            yield self._row(number, values, self.event)
        self.done = self.size


def open_file(path: Path, schemas: Mapping[str, Schema], event: str | None = None) -> EventFile:
    """The file's rows, its format told by its first bytes; raises UnreadableFileError."""
    if event is not None and event not in schemas:
        near = nearest.hint(event, schemas)
        raise UnreadableFileError(f"no event {event!r}; known: {', '.join(schemas)}{near}")
    try:
        size = path.stat().st_size
        if path.is_file() and not size and (kind := _NEVER_EMPTY.get(path.suffix.lower())):
            raise UnreadableFileError(
                f"{path}: 0 bytes; expected {kind}, of which even one without rows has some"
            )
        return EventFile(path.name, path.open("rb"), schemas, event, size)
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror}") from None
