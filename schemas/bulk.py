"""Decodes many records of one schema in one call of fastavro, which costs a third less than each.

The bodies are strung together as one Avro array. Behind each stands a secret number, read as a
last field: a body that is shorter or longer than its schema says shows by another number there, as
nobody who writes messages can know it. So what comes out is what reading each alone gives.

Where the records of a batch had arrays of doubles of one length, those of the next are read as
blocks of that length (`schemas.blocks`); where they are no such blocks, anew as the schema says.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader

from schemas.avro import FAULTS, plain
from schemas.blocks import Block, arrays_of, varint, with_blocks
from schemas.declare import Schema

Records = list[dict[str, Any]]

_MARK = "end_of_message_"
_BITS = 62


class BulkReader:
    """Reads bodies that were written with one schema, without projecting them to another."""

    def __init__(self, schema: Schema) -> None:
        self._own = plain(schema)
        self._usual = _Marked(self._own)
        self._arrays = arrays_of(self._own)
        self._lengths = [0] * len(self._arrays)
        self._quick: tuple[_Marked, Sequence[Block]] | None = None

    def read(self, bodies: Sequence[bytes]) -> Records | None:
        """The records; None where any of the bodies is not a record and nothing more."""
        records = self._read_quickly(bodies)
        if records is None:
            records = self._usual.read(bodies)
            if records:
                self._learn(records)
        return records

    def _read_quickly(self, bodies: Sequence[bytes]) -> Records | None:
        if self._quick is None:
            return None
        marked, blocks = self._quick
        records = marked.read(bodies) or []
        for block in blocks:
            name, unpack = block.name, block.unpack
            for record in records:
                record[name] = values = unpack(record[name])
                if values is None:
                    return None
        return records or None

    def _learn(self, records: Records) -> None:
        found = [{len(record[name]) for record in records} for name in self._arrays]
        lengths = [each.pop() if len(each) == 1 else 0 for each in found]
        if lengths != self._lengths:
            self._lengths = lengths
            schema, blocks = with_blocks(self._own, lengths)
            self._quick = (_Marked(schema), blocks) if blocks else None


class _Marked:
    """The bodies of a schema, with a mark behind each."""

    def __init__(self, own: Mapping[str, Any]) -> None:
        marked = {**own, "fields": [*own["fields"], {"name": _MARK, "type": "long"}]}
        self._compiled = parse_schema({"type": "array", "items": marked}, named_schemas={})
        self._secret = secrets.randbits(_BITS)
        self._mark = varint(2 * self._secret)

    def read(self, bodies: Sequence[bytes]) -> Records | None:
        whole = (varint(2 * len(bodies)), self._mark.join(bodies), self._mark, b"\0")
        try:
            records: Any = schemaless_reader(BytesIO(b"".join(whole)), self._compiled, None)
        except FAULTS:
            return None
        marks = [record.pop(_MARK) for record in records]
        return records if marks.count(self._secret) == len(bodies) else None
