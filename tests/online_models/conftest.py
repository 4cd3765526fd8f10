"""An entity with every kind of feature, streams of events for it, and tables filled from them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from online_models.features.layout import EntityLayout
from online_models.features.tiles import TileTable
from schemas.declare import (
    Entity,
    balance,
    count,
    decayed_mean,
    distinct,
    last,
    maximum,
    mean,
    minimum,
    ratio,
    seconds_since,
    std,
    total,
)

Raw = tuple[str, dict[str, Any]]

_SHORT, _LONG = 1_200, 12_000
SHOP = Entity(
    "shop",
    ("shop",),
    (
        count("sold", _SHORT),
        count("paid", _SHORT),
        total("sold", "pieces", _SHORT),
        mean("sold", "price", _SHORT),
        std("sold", "price", _SHORT, default=-1.0),
        std("sold", "price", _LONG),
        minimum("sold", "price", _SHORT),
        maximum("sold", "price", _LONG, default=7.0),
        maximum("sold", "pieces", _SHORT),
        last("sold", "price", within=_SHORT),
        last("sold", "pieces", within=_LONG),
        seconds_since("paid", within=_LONG, default=99.0),
        decayed_mean("sold", "price", half_life=500, over=_SHORT),
        decayed_mean("sold", "pieces", half_life=900, over=_LONG),
        distinct("sold", "buyer", _SHORT),
        distinct("sold", "buyer", _LONG),
        ratio(count("paid", _SHORT), count("sold", _SHORT), default=-2.0),
        ratio(
            ratio(mean("sold", "price", _LONG), count("sold", _LONG)), mean("sold", "price", _SHORT)
        ),
        balance("sold", "paid", by="due", over=_SHORT),
        balance("sold", "paid", by="due", over=_SHORT, what="share", default=0.5),
        balance("sold", "paid", by="due", over=_SHORT, what="age"),
        balance("sold", "paid", by="due", over=_LONG, what="age"),
    ),
)

Fill = Callable[..., TileTable]


@pytest.fixture(scope="session")
def shop() -> EntityLayout:
    """The layout of an entity with every kind of feature, over 1.2 and 12 seconds."""
    return EntityLayout(SHOP)


@pytest.fixture(scope="session")
def raw_event() -> Callable[[random.Random, int], Raw]:
    """A random event at a time, from a seeded source of randomness."""
    return _event


@pytest.fixture(scope="session")
def fill() -> Fill:
    """Feeds events (event, record) of key "k" to a table, in batches of the given sizes."""
    return _fill


def _event(chance: random.Random, time: int) -> Raw:
    due = time + chance.choice([0, 0, -chance.randrange(1_500), chance.randrange(700), 10**15])
    record: dict[str, Any] = {"time": time, "due": due, "shop": "k"}
    if chance.random() < 0.3:
        return "paid", record
    unknown = chance.choice([None, float("nan"), float("inf"), -(2.0**40)])
    price = unknown if chance.random() < 0.2 else chance.gauss(0, 1) * 10 ** chance.randrange(-7, 5)
    buyer = None if chance.random() < 0.1 else f"b{chance.randrange(300)}"
    record |= {"price": price, "pieces": chance.randrange(-2, 9), "buyer": buyer}
    return "sold", record


def _fill(
    layout: EntityLayout,
    events: Sequence[Raw],
    sizes: Sequence[int] = (1,),
    table: TileTable | None = None,
) -> TileTable:
    table = table or TileTable(layout, partitions=2)
    for key in table.missing(["k"]):
        table.load(key, None)
    start = number = 0
    while start < len(events):
        batch = events[start : start + sizes[number % len(sizes)]]
        for name in ("sold", "paid"):
            records = [record for event, record in batch if event == name]
            offsets = [start + at for at, (event, _) in enumerate(batch) if event == name]
            if records:
                table.update(name, ["k"] * len(records), records, 1, offsets)
        start, number = start + len(batch), number + 1
    return table
