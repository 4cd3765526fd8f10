"""Many records read at once are those that each alone gives, or none."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.workloads import VISIT, visits
from schemas.avro import CORE, Codec
from schemas.bulk import BulkReader
from schemas.declare import Schema
from tests.schemas.drawn import records_of

ALL: Mapping[str, Schema] = {**CORE, "visit": VISIT}
TEXT: Schema = {"type": "record", "name": "t", "fields": [{"name": "text", "type": "string"}]}


def encoded(schema: Schema, records: list[dict[str, Any]]) -> list[bytes]:
    codec = Codec(schema)
    return [codec.encode(record) for record in records]


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_was_written_is_read(name: str, data: st.DataObject) -> None:
    schema = ALL[name]
    records = data.draw(st.lists(records_of(schema), max_size=5))
    bodies = encoded(schema, records)
    read = BulkReader(schema).read(bodies)
    assert read is not None
    assert encoded(schema, read) == bodies


def test_a_large_batch_is_read() -> None:
    records = list(visits(5_000))
    assert BulkReader(VISIT).read(encoded(VISIT, records)) == records


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"\x04ab", b"\x04cd?"),  # a byte too many
        (b"\x04ab", b"\x04c"),  # a byte too few
        (b"\x06ab", b"cd"),  # one is short by what the next is long
        (b"\x02ab\x02", b"c"),
        (b"", b"\x04ab"),
        (b"\x04ab", b"\x04\xff\xff"),  # no text
        (b"\x01ab", b"\x04cd"),  # a negative length
    ],
)
def test_one_wrong_body_spoils_the_batch(first: bytes, second: bytes) -> None:
    reader = BulkReader(TEXT)
    assert reader.read([b"\x04ab", b"\x04cd"]) == [{"text": "ab"}, {"text": "cd"}]
    assert reader.read([first, second]) is None


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, 400), length=st.integers(0, 12), filling=st.binary(max_size=12))
def test_bodies_with_other_bounds_are_refused(cut: int, length: int, filling: bytes) -> None:
    """Bytes are taken out and others put in anywhere: what is read is read alone, too."""
    bodies = encoded(VISIT, list(visits(10)))
    whole, ends = b"".join(bodies), [len(b"".join(bodies[: i + 1])) for i in range(10)]
    changed = whole[:cut] + filling + whole[cut + length :]
    parts = [changed[a:b] for a, b in zip([0, *ends[:-1]], [*ends[:-1], None], strict=True)]
    reader = BulkReader(VISIT)
    alone = [reader.read([part]) for part in parts]
    together = reader.read(parts)
    if any(each is None for each in alone):
        assert together is None
    else:
        assert repr(together) == repr([each[0] for each in alone if each])


VECTORS: Schema = {
    "type": "record",
    "name": "vectors",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "first", "type": {"type": "array", "items": "double"}},
        {"name": "second", "type": {"type": "array", "items": "double"}},
    ],
}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 130)), max_size=4), max_size=6)
)
def test_arrays_of_doubles_are_read_whatever_their_lengths_were_before(
    batches: list[list[tuple[int, int]]],
) -> None:
    reader = BulkReader(VECTORS)
    for lengths in batches:
        records = [
            {"id": str(a), "first": [a / 3, -0.0] * (a // 2), "second": [1e300 + b] * b}
            for a, b in lengths
        ]
        assert repr(reader.read(encoded(VECTORS, records))) == repr(records)


def test_a_name_of_the_schemas_own_is_not_taken_for_a_block() -> None:
    kind = {"type": "enum", "name": "first_of_2", "symbols": ["a"]}
    fields = [*VECTORS["fields"], {"name": "kind", "type": kind}]
    schema = {**VECTORS, "fields": fields}
    records = [{"id": "a", "first": [0.5, 1.5], "second": [], "kind": "a"}]
    reader = BulkReader(schema)
    for _ in range(2):
        assert reader.read(encoded(schema, records)) == records


ONE_BLOCK = b"\x02a" + b"\x04" + struct.pack("<2d", 0.5, 1.5) + b"\0" + b"\0"
TWO_BLOCKS = (
    b"\x02a" + b"\x02" + struct.pack("<d", 0.5) + b"\x02" + struct.pack("<d", 1.5) + b"\0" + b"\0"
)
SIZED_BLOCK = b"\x02a" + b"\x03\x20" + struct.pack("<2d", 0.5, 1.5) + b"\0" + b"\0"


@pytest.mark.parametrize("other", [TWO_BLOCKS, SIZED_BLOCK])
def test_arrays_of_other_writers_are_read(other: bytes) -> None:
    """Avro lets a writer cut an array into blocks, and say how many bytes each has."""
    reader, record = BulkReader(VECTORS), {"id": "a", "first": [0.5, 1.5], "second": []}
    assert reader.read([ONE_BLOCK] * 3) == [record] * 3
    assert reader.read([ONE_BLOCK, other, ONE_BLOCK]) == [record] * 3
    assert reader.read([ONE_BLOCK, other[:-1]]) is None


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 220), length=st.integers(0, 12), filling=st.binary(max_size=12))
def test_a_spoiled_array_is_what_reading_it_anew_says(
    cut: int, length: int, filling: bytes
) -> None:
    record = {"id": "a", "first": [0.0, 1.0, 2.0], "second": [3.0] * 7}
    [body] = encoded(VECTORS, [record])
    spoiled = body[:cut] + filling + body[cut + length :]
    reader = BulkReader(VECTORS)
    assert reader.read([body] * 2) == [record] * 2
    found, anew = reader.read([body, spoiled]), BulkReader(VECTORS).read([body, spoiled])
    assert repr(found) == repr(anew)


def test_no_records() -> None:
    assert BulkReader(VISIT).read([]) == []
