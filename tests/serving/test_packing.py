from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import CORE, Codec, Unwritable
from schemas.declare import Schema
from serving.packing import Packer

CODEC = Codec(CORE["prediction"])
PACKER = Packer(CODEC)

LONGS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
_KINDS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "long": LONGS,
    "double": st.floats(),
}


def values(kind: Schema | str) -> st.SearchStrategy[Any]:
    """Whatever a field of this kind may hold."""
    if isinstance(kind, str):
        return _KINDS[kind]
    if kind["type"] == "array":
        return st.lists(values(kind["items"]), max_size=6).map(tuple)
    if kind["type"] == "map":
        return st.dictionaries(TEXTS, values(kind["values"]), max_size=3)
    return _KINDS[kind["type"]]


RECORDS = st.fixed_dictionaries(
    {field["name"]: values(field["type"]) for field in CODEC.schema["fields"]}
)


@given(RECORDS)
def test_a_record_packs_into_the_codecs_bytes(record: dict[str, Any]) -> None:
    assert PACKER.encode(record) == CODEC.encode(record)
    packed = PACKER.encode({**record, "vector": np.array(record["vector"], np.float64)})
    assert packed == CODEC.encode(record)


@given(RECORDS, st.sampled_from(["unit", "seen", "model_ms"]))
def test_a_field_that_has_a_default_may_be_left_out(record: dict[str, Any], name: str) -> None:
    del record[name]
    assert PACKER.encode(record) == CODEC.encode(record)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("id", "\ud800", "half a character"),
        ("id", None, "expected string"),
        ("version", 2**63, "expected long"),
        ("version", None, "expected long"),
        ("probability", "half", "expected double"),
        ("vector", [None], "expected"),
        ("vector", ["a"], "expected"),
        ("positions", ((2**70,),), "expected"),
        ("arm", ..., "arm is missing"),
        ("policy", "\udfff", "policy is"),
    ],
)
def test_what_is_not_of_the_schema_is_refused_as_the_codec_does(
    field: str, value: Any, told: str
) -> None:
    record = _plain() | {"vector": np.array([0.5]), field: value}
    if value is ...:
        del record[field]
    with pytest.raises(Unwritable, match=told):
        PACKER.encode(record)


def _plain() -> dict[str, Any]:
    made_up = {"string": "text", "long": 1, "double": 0.5}
    return {
        field["name"]: made_up[kind] if isinstance(kind := _bare(field), str) else kind
        for field in CODEC.schema["fields"]
    }


def _bare(field: dict[str, Any]) -> Any:
    kind = field["type"]
    if isinstance(kind, str):
        return kind
    return {"array": (), "map": {}}.get(kind["type"], kind["type"])
