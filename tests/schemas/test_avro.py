"""What is written is read again, by us and by others; what is no record of ours is named so."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import avro.io
import avro.schema
import fastavro
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import domains
from schemas.avro import (
    CORE,
    Codec,
    Reader,
    Unreadable,
    Unwritable,
    canonical,
    fingerprint,
    frame,
    unframe,
)
from schemas.declare import Schema
from tests.schemas.drawn import bits, records_of

SHIPPED: dict[str, Schema] = {
    f"{folder}/{name}": schema
    for folder, found in {
        "core": CORE,
        **{name: domains.load(name).schemas for name in domains.names()},
    }.items()
    for name, schema in found.items()
}
REASONS = set(CORE["dead_letter"]["fields"][0]["type"]["symbols"])
VISIT: Schema = {
    "type": "record",
    "name": "visit",
    "namespace": "headrace.test",
    "fields": [
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "user", "type": "string"},
        {"name": "amount", "type": ["null", "double"], "default": None},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ],
}
RECORD = {"time": 1_357_034_400_000, "user": "ü", "amount": 2.5, "tags": ["a", ""]}
quick = settings(derandomize=True, deadline=None, max_examples=12)
thorough = settings(derandomize=True, deadline=None, max_examples=150)


def reader_of(schema: Schema, *writers: Schema) -> Reader:
    """A reader of one schema that knows the schemas of these writers."""
    known = {fingerprint(writer): writer for writer in (schema, *writers)}
    return Reader({schema["name"]: schema}, known.get)


def changed(change: Callable[[dict[str, Any]], object], schema: Schema = VISIT) -> Schema:
    """A copy of a schema, changed."""
    made = copy.deepcopy(dict(schema))
    change(made)
    return made


def written(schema: Schema, record: Any) -> bytes:
    return frame(fingerprint(schema), Codec(schema).encode(record))


def fate(reader: Reader, data: bytes) -> str:
    """The record name that the bytes are read as, or the reason why they are not."""
    try:
        return reader.decode(data)[0]
    except Unreadable as error:
        return error.reason


@pytest.mark.parametrize("place", SHIPPED)
@quick
@given(data=st.data())
def test_every_shipped_record_comes_back_as_it_went(place: str, data: st.DataObject) -> None:
    schema = SHIPPED[place]
    record = data.draw(records_of(schema))
    assert reader_of(schema).decode(written(schema, record)) == (schema["name"], record)


@pytest.mark.parametrize("place", SHIPPED)
@quick
@given(data=st.data())
def test_another_library_reads_the_same_bytes(place: str, data: st.DataObject) -> None:
    """Apache's own implementation, which shares no code with ours."""
    schema = SHIPPED[place]
    record = data.draw(records_of(schema))
    theirs = avro.schema.parse(json.dumps(_without_logical(schema)))
    body = avro.io.BinaryDecoder(io.BytesIO(Codec(schema).encode(record)))
    assert avro.io.DatumReader(theirs).read(body) == record


def _without_logical(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical(part) for part in schema]
    if isinstance(schema, dict):
        return {k: _without_logical(v) for k, v in schema.items() if k != "logicalType"}
    return schema


def test_numbers_that_are_not_equal_to_themselves_keep_their_bits() -> None:
    for number in (math.nan, -0.0, math.inf, 5e-324):
        _, found = reader_of(VISIT).decode(written(VISIT, {**RECORD, "amount": number}))
        assert bits(found["amount"]) == bits(number)


def test_the_frame_is_confluents() -> None:
    assert frame(1, b"body") == b"\x00\x00\x00\x00\x01body"
    assert frame(2**31 - 1, b"")[:5] == b"\x00\x7f\xff\xff\xff"
    schema_id, body = unframe(b"\x00\x00\x00\x01\x02rest")
    assert (schema_id, body.read()) == (258, b"rest")
    assert written(VISIT, RECORD).hex(" ") == (
        "00 09 16 6b 68 80 a4 ed d8 fe 4e 04 c3 bc 02 00 00 00 00 00 00 04 40 04 02 61 00 00"
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "no value"),
        (b"", "0 bytes; a header alone has 5"),
        (b"\x00\x00\x00\x01", "4 bytes"),
        (b"\x01\x00\x00\x00\x01x", "first byte 1; expected 0"),
        (b'{"time": 1}', "first byte 123; expected 0"),
    ],
)
def test_what_has_no_frame_is_not_avro(data: bytes | None, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as caught:
        reader_of(VISIT).decode(data)
    assert caught.value.reason == "not_avro"


def test_an_older_writer_gets_our_default_for_what_it_does_not_know() -> None:
    old = changed(lambda schema: schema["fields"].pop(2))
    record = {name: value for name, value in RECORD.items() if name != "amount"}
    _, found = reader_of(VISIT, old).decode(written(old, record))
    assert found == {**RECORD, "amount": None}


def test_what_a_newer_writer_adds_is_left_out() -> None:
    added = {"name": "channel", "type": ["null", "string"], "default": None}
    new = changed(lambda schema: schema["fields"].insert(1, added))
    _, found = reader_of(VISIT, new).decode(written(new, {**RECORD, "channel": "web"}))
    assert found == RECORD


def test_fields_in_another_order_and_narrower_numbers_are_projected() -> None:
    def narrow(schema: dict[str, Any]) -> None:
        schema["fields"].reverse()
        schema["fields"][1]["type"] = ["null", "int"]

    writer = changed(narrow)
    _, found = reader_of(VISIT, writer).decode(written(writer, {**RECORD, "amount": 7}))
    assert found == {**RECORD, "amount": 7.0}
    assert type(found["amount"]) is float


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["fields"][0].update(type="string"), "visit of schema"),
        (lambda s: s["fields"].pop(0), "time"),
        (lambda s: s.update(name="visits"), "headrace.test.visits is none of headrace.test.visit"),
        (lambda s: s.update(namespace="other"), "other.visit is none of"),
    ],
)
def test_a_writer_that_does_not_fit_ours_is_foreign(
    change: Callable[[dict[str, Any]], object], said: str
) -> None:
    writer = changed(change)
    record = {name: value for name, value in RECORD.items() if name in _names(writer)}
    record |= {"time": "now"} if said == "visit of schema" else {}
    with pytest.raises(Unreadable, match=said) as caught:
        reader_of(VISIT, writer).decode(written(writer, record))
    assert caught.value.reason == "foreign_record"
    assert caught.value.schema_id == fingerprint(writer)


def _names(schema: Schema) -> set[str]:
    return {field["name"] for field in schema["fields"]}


def test_an_unknown_id_is_told_with_its_number() -> None:
    with pytest.raises(Unreadable, match="schema id 77 is not known") as caught:
        reader_of(VISIT).decode(frame(77, b""))
    assert (caught.value.reason, caught.value.schema_id) == ("unknown_schema", 77)


def test_bytes_too_few_or_too_many_are_told() -> None:
    reader, whole = reader_of(VISIT), written(VISIT, RECORD)
    for cut in range(5, len(whole)):
        with pytest.raises(Unreadable) as caught:
            reader.decode(whole[:cut])
        assert caught.value.reason == "not_avro"
    with pytest.raises(Unreadable, match="1 bytes too many"):
        reader.decode(whole + b"\0")


@thorough
@given(
    body=st.binary(max_size=60),
    flips=st.lists(st.integers(0, 10_000), max_size=4),
    place=st.sampled_from(sorted(SHIPPED)),
    data=st.data(),
)
def test_broken_bytes_raise_nothing_but_unreadable(
    body: bytes, flips: list[int], place: str, data: st.DataObject
) -> None:
    schema = SHIPPED[place]
    good = bytearray(written(schema, data.draw(records_of(schema))))
    for flip in flips:
        good[flip // 8 % len(good)] ^= 1 << flip % 8
    reader = reader_of(schema)
    for broken in (body, frame(fingerprint(schema), body), bytes(good)):
        assert fate(reader, broken) in {*REASONS, schema["name"]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("record"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
near_schemas = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["record", "enum", "array", "map", "fixed", "string", "visit"]),
        "name": st.sampled_from(["visit", "headrace.test.visit", "", "7"]),
    },
    optional={
        "namespace": st.sampled_from(["headrace.test", ""]) | json_values,
        "fields": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["time", "user"]), "type": json_values})
        )
        | json_values,
        "items": json_values,
        "size": json_values,
        "symbols": json_values,
    },
)


@thorough
@given(schema=json_values | near_schemas, body=st.binary(max_size=30))
@example(schema="null", body=b"")
@example(schema=[], body=b"")
@example(schema={"type": "fixed", "name": "headrace.test.visit", "size": -1}, body=b"")
def test_any_schema_of_a_registry_raises_nothing_but_unreadable(schema: Any, body: bytes) -> None:
    reader = Reader({"visit": VISIT}, lambda _: schema)
    for _ in range(2):
        assert fate(reader, frame(1, body)) in {*REASONS, "visit"}


def test_schemas_that_make_endless_records_of_few_bytes_are_refused() -> None:
    items = {"type": "array", "items": {"type": "record", "name": "nothing", "fields": []}}
    endless = changed(lambda schema: schema["fields"].append({"name": "x", "type": items}))
    link = ["null", "headrace.test.visit"]
    recursive = changed(lambda schema: schema["fields"].append({"name": "x", "type": link}))
    deep: Any = "string"
    for _ in range(2_000):
        deep = {"type": "array", "items": deep}
    nested = {**VISIT, "fields": [{"name": "x", "type": deep}]}
    for schema, said in ((endless, "no size"), (recursive, "recursive"), (nested, "recursion")):
        with pytest.raises(Unreadable, match=said) as caught:
            Reader({"visit": VISIT}, {1: schema}.get).decode(frame(1, b"\2" * 60))
        assert caught.value.reason == "foreign_record"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({**RECORD, "time": "noon"}, r"visit\.time is 'noon', expected long"),
        ({**RECORD, "time": 2**63}, r"visit\.time is 9223372036854775808, expected long"),
        ({"time": 1}, r"visit\.user is missing"),
        ({**RECORD, "user": "\ud800"}, r"visit\.user is '\\ud800', half a character"),
        ({**RECORD, "tags": [1]}, r"visit\.tags is \[1\], expected array"),
        ([], "expected a record, found list"),
    ],
)
def test_what_cannot_be_written_names_the_field(record: Any, said: str) -> None:
    with pytest.raises(Unwritable, match=said):
        Codec(VISIT).encode(record)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@thorough
@given(record=anything | st.fixed_dictionaries(dict.fromkeys(RECORD, anything)))
def test_writing_anything_raises_nothing_but_unwritable(record: Any) -> None:
    with suppress(Unwritable):
        body = Codec(VISIT).encode(record)
        assert fate(reader_of(VISIT), frame(fingerprint(VISIT), body)) == "visit"


def test_an_id_follows_from_what_is_encoded_and_from_nothing_else() -> None:
    told = changed(lambda schema: schema["fields"][1].update(doc="Who.", aliases=["who"]))
    plain = changed(lambda schema: schema["fields"][0].update(type="long"))
    other = changed(lambda schema: schema["fields"][1].update(name="guest"))
    assert fingerprint(told) == fingerprint(plain) == fingerprint(VISIT)
    assert canonical(told) == canonical(VISIT) != canonical(other)
    ids = {fingerprint(schema) for schema in (*SHIPPED.values(), VISIT, other)}
    assert len(ids) == len(SHIPPED) + 2
    assert all(0 <= each < 2**31 for each in ids)


def test_fastavro_and_ours_agree_on_a_container() -> None:
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(dict(VISIT)), [])
    out.seek(0)
    found: Any = fastavro.reader(out).writer_schema
    assert fingerprint(found) == fingerprint(VISIT)
