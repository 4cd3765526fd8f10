"""The type of a domain's request: from its Avro record to what msgspec decodes and checks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from schemas.declare import DeclarationError, Schema, is_time

MAX_TEXT = 200
"""Characters of a text field."""

LATEST = 7_258_118_400_000
"""2200-01-01: a later time is a slip of units, not a question."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def struct(schema: Schema, earliest: int) -> type[msgspec.Struct]:
    """The msgspec type of an Avro record; raises DeclarationError for types it has no JSON for.

    Its times are whole numbers of ms from `earliest` to LATEST, or datetimes of any size.
    """
    fields = []
    for field in schema["fields"]:
        kind = _annotation(field["type"], field["name"], earliest)
        plain = (field["name"], kind)
        fields.append((*plain, field["default"]) if "default" in field else plain)
    return msgspec.defstruct(
        "Request", fields, kw_only=True, forbid_unknown_fields=True, module=__name__
    )


def _annotation(avro: Any, name: str, earliest: int) -> Any:
    if isinstance(avro, list):
        kinds = [None if part == "null" else _annotation(part, name, earliest) for part in avro]
        union: Any = kinds[0]
        for kind in kinds[1:]:
            union = union | kind
        return union
    if is_time(avro):
        return (
            Annotated[int, msgspec.Meta(ge=earliest, le=LATEST)]
            | Annotated[datetime, msgspec.Meta(tz=True)]
        )
    if isinstance(avro, Mapping) and avro["type"] == "enum":
        return Literal[tuple(avro["symbols"])]
    return _primitive(avro["type"] if isinstance(avro, Mapping) else avro, name)


def _primitive(avro: str, name: str) -> Any:
    kinds: dict[str, Any] = {
        "string": Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)],
        "double": float,
        "float": float,
        "boolean": bool,
        "int": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
        "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    }
    if avro in kinds:
        return kinds[avro]
    raise DeclarationError(
        f"request.avsc: field {name!r} has type {avro!r}; a request's field is one of "
        f"{', '.join(kinds)}, an enum, a timestamp-millis, or one of these or null"
    )


def made_up(avro: Any, earliest: int) -> Any:
    """A value of a type."""
    if isinstance(avro, list):
        return made_up(next(part for part in avro if part != "null"), earliest)
    if is_time(avro):
        return iso(earliest)
    if isinstance(avro, Mapping) and avro["type"] == "enum":
        return avro["symbols"][0]
    name = avro["type"] if isinstance(avro, Mapping) else avro
    return {"string": "text", "boolean": True}.get(name, 1)


def iso(at: int) -> str:
    """A time in ms since the epoch as ISO 8601, in UTC."""
    return (_EPOCH + at * _MILLISECOND).isoformat()


def milliseconds(value: datetime) -> int:
    """A time with its zone in ms since the epoch, rounded down."""
    return (value - _EPOCH) // _MILLISECOND
