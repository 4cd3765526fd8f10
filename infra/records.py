"""Fits rows from outside (JSON, Parquet, words of a command line) to an Avro record schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec

from schemas import nearest
from schemas.avro import Codec
from schemas.declare import Schema, is_time

_TYPES: Mapping[str, type] = {
    "string": str,
    "bytes": bytes,
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
}


def _python_type(avro: Any) -> Any:
    if isinstance(avro, list):
        made = _python_type(avro[0])
        for other in avro[1:]:
            made = made | _python_type(other)
        return made
    if isinstance(avro, Mapping):
        if avro["type"] == "array":
            return list[_python_type(avro["items"])]  # type: ignore[misc]
        if avro["type"] == "map":
            return dict[str, _python_type(avro["values"])]  # type: ignore[misc]
        return _python_type("string" if avro["type"] == "enum" else avro["type"])
    return None if avro == "null" else _TYPES[avro]


def milliseconds(where: str, value: Any) -> Any:
    """ISO text or a datetime as whole milliseconds, anything else as it is.

    A bare datetime is UTC. Raises ValueError for text that is no time or does not say its offset.
    """
    if isinstance(value, str) and not value.isdecimal():
        found = value
        try:
            value = datetime.fromisoformat(found)
        except ValueError:
            raise ValueError(f"{where}: {found!r} is neither ISO 8601 nor milliseconds") from None
        if value.tzinfo is None:
            raise ValueError(f"{where}: {found!r} has no offset; add Z or such as +02:00")
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    return value


class Shape:
    """Checks rows against one record schema; times may be milliseconds, ISO text or datetimes."""

    def __init__(self, schema: Schema) -> None:
        self._times = [each["name"] for each in schema["fields"] if is_time(each["type"])]
        fields = [
            (each["name"], _python_type(each["type"]), msgspec.field(default=each["default"]))
            if "default" in each
            else (each["name"], _python_type(each["type"]))
            for each in schema["fields"]
        ]
        self._struct = msgspec.defstruct(schema["name"], fields, kw_only=True)
        self._names = {each["name"] for each in schema["fields"]}
        self._codec = Codec(schema)

    def fit(self, row: Mapping[str, Any], strict: bool = True) -> dict[str, Any]:
        """The row as a record that can be written; raises ValueError naming the field.

        Numbers must be finite. Where `strict` is false, text that reads as the wanted number is
        taken as one.
        """
        for name in row.keys() - self._names:
            near = nearest.hint(name, self._names)
            raise ValueError(f"field {name!r} is not in the schema{near}")
        changed = {
            name: milliseconds(f"field {name!r}", row[name]) for name in self._times if name in row
        }
        try:
            made = msgspec.convert({**row, **changed}, self._struct, strict=strict)
        except msgspec.ValidationError as error:
            raise ValueError(str(error).replace("Object missing required", "missing")) from None
        record = msgspec.structs.asdict(made)
        self._codec.encode(record)
        for name, value in record.items():
            if isinstance(value, float) and not isfinite(value):
                raise ValueError(f"field {name!r}: expected a finite number, found {value}")
        return record


def from_words(schema: Schema, words: list[str]) -> dict[str, Any]:
    """`name=value` words as a record of the schema; raises ValueError naming the word."""
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not equals:
            raise ValueError(f"{name!r}: expected name=value")
    return Shape(schema).fit({name: value for name, _, value in pairs}, strict=False)
