"""A batch decoded at once is what its messages decoded one by one are, faults and all."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

import pytest

from benchmarks.workloads import START, VISIT, visits
from infra.decoding import FEW, Decoder
from infra.kafka import Raw
from schemas.avro import Codec, fingerprint, frame
from schemas.declare import DAY, Schema

NAMED: Schema = {
    "type": "record",
    "name": "named",
    "fields": [{"name": "time", "type": "long"}, {"name": "size", "type": ["null", "double"]}],
}
LONGER: Schema = {**NAMED, "fields": [*NAMED["fields"], {"name": "more", "type": "string"}]}
EARLIEST = START - DAY


class Known:
    """A registry that knows some schemas."""

    def __init__(self, *schemas: Schema) -> None:
        self.schemas = {fingerprint(schema): schema for schema in schemas}

    def id_of(self, subject: str, schema: Schema) -> int:
        return fingerprint(schema)

    def schema(self, schema_id: int) -> Schema | None:
        return self.schemas.get(schema_id)

    def refresh(self, wanted: Collection[int] = ()) -> None:
        return


def decoder() -> Decoder:
    known = Known(VISIT, NAMED, LONGER)
    return Decoder({"visit": VISIT, "named": NAMED}, known, "test", EARLIEST)


def raws(schema: Schema, records: list[dict[str, Any]], first: int = 0) -> list[Raw]:
    codec = Codec(schema)
    return [
        Raw(first + place, START + DAY, None, frame(fingerprint(schema), codec.encode(record)))
        for place, record in enumerate(records)
    ]


def one_by_one(messages: list[Raw]) -> tuple[list[Any], list[Any]]:
    found = [decoder().batch("t", 0, [message]) for message in messages]
    return [g for each in found for g in each.good], [d for each in found for d in each.dead]


def named(number: int) -> list[dict[str, Any]]:
    return [{"time": START + i, "size": None if i % 3 else i / 7} for i in range(number)]


def mixed() -> list[Raw]:
    """Records of two kinds, one of them also with a field too many."""
    messages = [
        *raws(VISIT, list(visits(40))),
        *raws(NAMED, named(30), 40),
        *raws(LONGER, [{**record, "more": "x"} for record in named(5)], 70),
    ]
    random.Random(3).shuffle(messages)
    return messages


@pytest.mark.parametrize("kinds", [1, 2])
def test_good_records_come_in_the_order_of_the_messages(kinds: int) -> None:
    messages = [raw for raw in mixed() if raw.offset < (40, 70)[kinds - 1]]
    assert len(messages) > FEW
    assert decoder().batch("t", 0, messages) == (one_by_one(messages)[0], [])


def test_columns_are_the_same_by_name() -> None:
    for messages in (mixed(), mixed()[:4], [raw for raw in mixed() if raw.offset < 70]):
        columns, dead = decoder().columns("t", 0, messages)
        good, _ = one_by_one(messages)
        assert [each.name for each in columns] == list(dict.fromkeys(name for name, _, _ in good))
        for name, records, offsets in columns:
            assert list(zip(records, offsets, strict=True)) == [g[1:] for g in good if g[0] == name]
        assert dead == []


def wrong() -> dict[str, bytes | None]:
    """What must be a dead letter, by what is wrong with it."""
    [visit] = visits(1)
    [whole] = [raw.value or b"" for raw in raws(VISIT, [visit])]
    changed: dict[str, dict[str, Any]] = {
        "infinite": {"amount": float("inf")},
        "not a number": {"latitude": float("nan")},
        "early": {"time": EARLIEST - 1},
        "late": {"time": START + 2 * DAY + 1},
    }
    return {
        **{name: raws(VISIT, [visit | each])[0].value for name, each in changed.items()},
        "none": None,
        "empty": b"",
        "cut": whole[:-1],
        "long": whole + b"\0",
        "unknown": frame(77, whole[5:]),
    }


@pytest.mark.parametrize("name", wrong())
def test_one_that_is_wrong_among_good_ones_is_the_only_dead_letter(name: str) -> None:
    messages = raws(VISIT, list(visits(50)))
    messages[20] = messages[20]._replace(value=wrong()[name])
    good, dead = decoder().batch("t", 0, messages)
    assert [letter["offset"] for letter in dead] == [20]
    assert (good, dead) == one_by_one(messages)
    columns, letters = decoder().columns("t", 0, messages)
    assert (columns[0].offsets, letters) == ([o for _, _, o in good], dead)


def test_two_that_are_wrong_do_not_hide_each_other() -> None:
    """One lacks the byte that the next has too many, so that together they have the right length;
    opposite infinities."""
    messages = raws(VISIT, list(visits(50)))
    values = [message.value or b"" for message in messages]
    messages[7] = messages[7]._replace(value=values[7][:-1])
    messages[8] = messages[8]._replace(value=values[8][:5] + values[7][-1:] + values[8][5:])
    infinite = [visit | {"amount": float("inf") * (-1) ** i} for i, visit in enumerate(visits(2))]
    messages[30:32] = raws(VISIT, infinite, 30)
    dead = decoder().batch("t", 0, messages).dead
    assert [letter["offset"] for letter in dead] == [7, 8, 30, 31]
    assert dead == one_by_one(messages)[1]


def test_huge_numbers_are_fine() -> None:
    messages = raws(VISIT, [visit | {"amount": 1e308} for visit in visits(50)])
    assert len(decoder().batch("t", 0, messages).good) == 50
