"""Decodes many records of one schema in one call of fastavro, which costs a third less than each.

The bodies are strung together as one Avro array. Behind each stands a secret number, read as a
last field: a body that is shorter or longer than its schema says shows by another number there, as
nobody who writes messages can know it. So what comes out is what reading each alone gives.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader

from schemas.avro import FAULTS, plain, varint
from schemas.declare import Schema

_MARK = "end_of_message_"
_BITS = 62


class BulkReader:
    """Reads bodies that were written with one schema, without projecting them to another."""

    def __init__(self, schema: Schema) -> None:
        own = plain(schema)
        marked: Mapping[str, Any] = {
            **own,
            "fields": [*own["fields"], {"name": _MARK, "type": "long"}],
        }
        self._compiled = parse_schema({"type": "array", "items": marked}, named_schemas={})
        self._secret = secrets.randbits(_BITS)
        self._mark = varint(2 * self._secret)

    def read(self, bodies: Sequence[bytes]) -> list[dict[str, Any]] | None:
        """The records; None where any of the bodies is not a record and nothing more."""
        whole = (varint(2 * len(bodies)), self._mark.join(bodies), self._mark, b"\0")
        try:
            records: Any = schemaless_reader(BytesIO(b"".join(whole)), self._compiled, None)
        except FAULTS:
            return None
        marks = [record.pop(_MARK) for record in records]
        return records if marks.count(self._secret) == len(bodies) else None
