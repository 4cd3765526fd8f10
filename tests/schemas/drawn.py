"""Records drawn from their schemas, whatever these hold."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from schemas.declare import Schema

_SIMPLE: Mapping[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, width=32),
    "double": st.floats(allow_nan=False),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "bytes": st.binary(max_size=20),
}


def values_of(schema: Any) -> st.SearchStrategy[Any]:
    """Values of an Avro type; NaN is left out, as it does not equal itself."""
    if isinstance(schema, list):
        return st.one_of([values_of(part) for part in schema])
    if isinstance(schema, str):
        return _SIMPLE[schema]
    kind = schema["type"]
    if kind == "array":
        return st.lists(values_of(schema["items"]), max_size=4)
    if kind == "map":
        return st.dictionaries(_SIMPLE["string"], values_of(schema["values"]), max_size=4)
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "record":
        return records_of(schema)
    return values_of(kind)


def records_of(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """Records of a schema."""
    fields = {field["name"]: values_of(field["type"]) for field in schema["fields"]}
    return st.fixed_dictionaries(fields)


def bits(number: float) -> bytes:
    """What a double is made of: tells -0.0 from 0.0, and NaN equals itself."""
    return struct.pack("<d", number)
