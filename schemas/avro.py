"""Avro in Confluent's wire format: a zero byte, four bytes of schema id, the record.

Times stay whole milliseconds: logical types are left out when schemas are compiled.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, to_parsing_canonical_form
from fastavro.validation import validate

from schemas.declare import Schema, load_schemas
from schemas.endless import refuse_endless

CORE: Mapping[str, Schema] = load_schemas(Path(__file__).parent / "core")
"""Schemas of the records that every domain has, by record name."""

HEADER = 5
FAULTS = (
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    struct.error,
    TypeError,
    ValueError,
)
"""What fastavro raises at bytes that are not of the schema."""


class Unreadable(ValueError):
    """Bytes that are no record of ours; `reason` is a symbol of dead_letter.avsc."""

    def __init__(self, reason: str, detail: str, schema_id: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.schema_id = schema_id


class Unwritable(ValueError):
    """A record that is not of its schema; the message names the field and what was expected."""


class Codec:
    """Writes records of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._compiled = _compile(schema)
        self.name: str = self._compiled["name"]
        self.fingerprint = fingerprint(schema)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The record's body, without header; raises Unwritable.

        Whole numbers are made of floats and of true, as fastavro does: check what comes from
        outside before.
        """
        out = BytesIO()
        try:
            schemaless_writer(out, self._compiled, record, strict_allow_default=True)
        except (*FAULTS, AttributeError) as error:
            raise Unwritable(f"{self.name}{self._fault(record) or f': {error}'}") from error
        return out.getvalue()

    def _fault(self, record: Mapping[str, Any]) -> str:
        """The first field that is missing or of another type; empty where fastavro says it all."""
        if not isinstance(record, Mapping):
            return f": expected a record, found {type(record).__name__}"
        for field in self._compiled["fields"]:
            name, kind = field["name"], field["type"]
            if name not in record and "default" not in field:
                return f".{name} is missing"
            if name in record and not validate(record[name], kind, raise_errors=False):
                shown = kind["type"] if isinstance(kind, dict) else kind
                return f".{name} is {ascii(record[name])[:80]}, expected {shown}"
            if isinstance(record.get(name), str) and not _is_unicode(record[name]):
                return f".{name} is {ascii(record[name])[:80]}, half a character"
        return ""


def _is_unicode(text: str) -> bool:
    """Whether the text can be encoded: half of a surrogate pair, as JSON may hold, can not."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def frame(schema_id: int, body: bytes) -> bytes:
    """Header and body: a message of the log."""
    return b"\0" + schema_id.to_bytes(4, "big") + body


def unframe(data: bytes | None) -> tuple[int, BytesIO]:
    """The schema id of a message, and the message opened at its body; raises Unreadable."""
    if data is None:
        raise Unreadable("not_avro", "no value")
    if len(data) < HEADER:
        raise Unreadable("not_avro", f"{len(data)} bytes; a header alone has {HEADER}")
    if data[0]:
        raise Unreadable("not_avro", f"first byte {data[0]}; expected 0")
    body = BytesIO(data)
    body.seek(HEADER)
    return int.from_bytes(data[1:HEADER], "big"), body


def canonical(schema: Schema) -> str:
    """Parsing Canonical Form (Avro specification): equal where the encodings are."""
    return str(to_parsing_canonical_form(plain(schema)))


def fingerprint(schema: Schema) -> int:
    """First 31 bits of SHA-256 of the Parsing Canonical Form: its id in the embedded registry."""
    digest = hashlib.sha256(canonical(schema).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@dataclass(frozen=True, slots=True)
class _Writer:
    """A writer's schema, compiled; `reader` is None where it is our own schema."""

    name: str
    compiled: Any
    reader: Any | None


class Reader:
    """Reads messages into the newest shape of the records that it knows.

    `schemas` has ours by record name; `writer_schema` gives the schema of an id, or None. A writer
    whose schema is older or newer than ours is projected: fields that it lacks get our defaults,
    fields that we lack are left out.
    """

    def __init__(
        self,
        schemas: Mapping[str, Schema],
        writer_schema: Callable[[int], Schema | None],
    ) -> None:
        self._schemas = schemas
        self._ours = {_compile(s)["name"]: (name, s) for name, s in schemas.items()}
        self._writer_schema = writer_schema
        self._writers: dict[int, _Writer] = {}
        self._foreign: dict[int, str] = {}

    def decode(self, data: bytes | None) -> tuple[str, dict[str, Any]]:
        """Record name and record; raises Unreadable for whatever else it is given."""
        schema_id, body = unframe(data)
        writer = self._writers.get(schema_id) or self._learn(schema_id)
        try:
            record = schemaless_reader(body, writer.compiled, writer.reader)
        except SchemaResolutionError as error:
            why = f"{writer.name} of schema {schema_id} does not fit ours: {error}"
            raise Unreadable("foreign_record", why, schema_id) from error
        except FAULTS as error:
            why = str(error) or "ends too early"
            raise Unreadable(
                "not_avro", f"{writer.name}: {type(error).__name__}: {why}"[:300], schema_id
            ) from error
        left = len(body.read())
        if left:
            raise Unreadable("not_avro", f"{writer.name}: {left} bytes too many", schema_id)
        return writer.name, record

    def ours(self, data: bytes | None) -> tuple[str, Schema] | None:
        """Name and schema of a message that was written with our own schema as it is, else None."""
        try:
            schema_id, _ = unframe(data)
            writer = self._writers.get(schema_id) or self._learn(schema_id)
        except Unreadable:
            return None
        return None if writer.reader is not None else (writer.name, self._schemas[writer.name])

    def _learn(self, schema_id: int) -> _Writer:
        schema = self._writer_schema(schema_id)
        if schema is None:
            raise Unreadable("unknown_schema", f"schema id {schema_id} is not known", schema_id)
        if schema_id not in self._foreign:
            try:
                made = self._writers[schema_id] = self._resolve(schema)
            except (SchemaParseException, *FAULTS) as error:
                self._foreign[schema_id] = f"schema {schema_id}: {error}"
            else:
                return made
        raise Unreadable("foreign_record", self._foreign[schema_id], schema_id)

    def _resolve(self, schema: Schema) -> _Writer:
        compiled = _compile(schema)
        full = compiled["name"] if compiled["type"] == "record" else compiled["type"]
        if full not in self._ours:
            known = ", ".join(sorted(self._ours))
            raise ValueError(f"{full} is none of {known}")
        refuse_endless(full, compiled)
        name, ours = self._ours[full]
        same = canonical(schema) == canonical(ours)
        return _Writer(name, compiled, None if same else _compile(ours))


def plain(schema: Any) -> Any:
    """The schema without logical types."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if isinstance(schema, Mapping):
        return {
            key: plain(part) if key in {"type", "items", "values", "fields"} else part
            for key, part in schema.items()
            if key != "logicalType"
        }
    return schema


def _compile(schema: Schema) -> Any:
    return parse_schema(plain(schema), named_schemas={})
