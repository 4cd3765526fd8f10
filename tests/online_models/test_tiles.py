"""The state of an entity is a function of the set of its events, and says what they say."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.proofs.reference import features_of
from online_models.features.blobs import ForeignState, read_blob
from online_models.features.finalise import features_at
from online_models.features.layout import EntityLayout
from online_models.features.tiles import TileTable
from schemas.declare import Entity, Kind, count
from tests.online_models.merging import merge

Raw = tuple[str, dict[str, Any]]
MakeEvent = Callable[[random.Random, int], Raw]
Fill = Callable[..., TileTable]

seeded = settings(derandomize=True, deadline=None, max_examples=120)
seeds = st.integers(0, 2**32)
bases = st.sampled_from([0, -7_777, 1_700_000_000_000])
batches = st.lists(st.integers(1, 60), min_size=1, max_size=4)


def stream(make: MakeEvent, chance: random.Random, base: int, most: int = 120) -> list[Raw]:
    """Events over 30 s, some on tile edges, in any order of arrival."""
    times = [base + chance.randrange(30_000) for _ in range(chance.randrange(1, most))]
    times = [time - time % 100 if chance.random() < 0.3 else time for time in times]
    return [make(chance, time) for time in times]


def at(table: TileTable, t: int) -> list[float]:
    row, _, _ = read_blob(table.layout, table.blob("k"))
    return list(map(float, features_at(table.layout, row[None], np.array([t]))[0]))


def held(table: TileTable) -> int:
    """Bytes of the rows, with those kept for growth; keys not counted."""
    return table._cells._memory.nbytes + table._cells._scratch.nbytes


def assert_same(layout: EntityLayout, found: Sequence[float], wanted: Sequence[float]) -> None:
    """Equal to the last bit; decayed means, whose weights are not exact, to 12 digits."""
    for feature, one, other in zip(layout.entity.features, found, wanted, strict=True):
        digits = 1e-12 if feature.kind is Kind.DECAYED_MEAN else 0.0
        near = math.isclose(one, other, rel_tol=digits, abs_tol=digits)
        assert near or (one != one and other != other), (feature.name, one, other)


@seeded
@given(seed=seeds, base=bases, sizes=batches)
def test_features_equal_a_recomputation_over_the_raw_events(
    shop: EntityLayout, raw_event: MakeEvent, fill: Fill, seed: int, base: int, sizes: list[int]
) -> None:
    chance = random.Random(seed)
    events = stream(raw_event, chance, base)
    table = fill(shop, events, sizes)
    newest = max(record["time"] for _, record in events)
    for t in (newest, newest + chance.randrange(1_000), base + chance.randrange(-999, 35_000)):
        for edge in (t, t - t % 100, t - t % 1_000):
            wanted = features_of(shop.entity, events, edge)
            assert_same(shop, at(table, edge), wanted)


@seeded
@given(seed=seeds, base=bases)
def test_windows_are_exact_where_the_question_falls_on_tile_edges(
    shop: EntityLayout, raw_event: MakeEvent, fill: Fill, seed: int, base: int
) -> None:
    chance = random.Random(seed)
    t = base + 20_000 - base % 1_000
    events = [
        (name, record | {"due": min(record["due"], record["time"] + 300)})
        for name, record in stream(raw_event, chance, base)
        if record["time"] <= t
    ]
    if not events:
        return
    rounded = {Kind.DECAYED_MEAN, Kind.DISTINCT}
    found = at(fill(shop, events, [40]), t)
    wanted = features_of(shop.entity, events, t, exact=True)
    kept = [feature.kind not in rounded for feature in shop.entity.features]
    for feature, one, other in zip(shop.entity.features, found, wanted, strict=True):
        if feature.kind not in rounded:
            assert one == other or (one != one and other != other), feature.name
    assert any(kept)


@seeded
@given(seed=seeds)
def test_a_window_is_short_by_less_than_a_tile_and_never_longer(
    shop: EntityLayout, raw_event: MakeEvent, fill: Fill, seed: int
) -> None:
    chance = random.Random(seed)
    events = stream(raw_event, chance, 0)
    t = max(record["time"] for _, record in events) + chance.randrange(2_000)
    counted = at(fill(shop, events), t)[0]
    times = [record["time"] for name, record in events if name == "sold"]
    assert sum(t - 1_100 < time <= t for time in times) <= counted
    assert counted <= sum(t - 1_200 < time <= t for time in times)


@seeded
@given(seed=seeds, base=bases, sizes=batches)
def test_any_order_and_any_batches_give_the_same_bytes(
    shop: EntityLayout, raw_event: MakeEvent, fill: Fill, seed: int, base: int, sizes: list[int]
) -> None:
    chance = random.Random(seed)
    events = stream(raw_event, chance, base)
    again = chance.sample(events, len(events))
    assert fill(shop, events).blob("k") == fill(shop, again, sizes).blob("k")
    assert fill(shop, events, [1_000]).blob("k") == fill(shop, again, [1_000]).blob("k")


@seeded
@given(seed=seeds, base=bases, share=st.floats(0, 1))
def test_any_split_merges_to_the_whole(
    shop: EntityLayout, raw_event: MakeEvent, fill: Fill, seed: int, base: int, share: float
) -> None:
    chance = random.Random(seed)
    events = stream(raw_event, chance, base)
    left = [event for event in events if chance.random() < share]
    right = [event for event in events if not any(event is taken for taken in left)]
    rows = [read_blob(shop, fill(shop, some).blob("k"))[0] for some in (left, right, events)]
    assert merge(shop, rows[0], rows[1]).tobytes() == rows[2].tobytes()
    assert merge(shop, rows[1], rows[0]).tobytes() == rows[2].tobytes()


@seeded
@given(seed=seeds, base=bases)
def test_an_event_older_than_the_largest_window_changes_no_feature(
    shop: EntityLayout, raw_event: MakeEvent, fill: Fill, seed: int, base: int
) -> None:
    chance = random.Random(seed)
    events = stream(raw_event, chance, base)
    t = max(record["time"] for _, record in events)
    old = [raw_event(chance, t - 12_001 - chance.randrange(20_000)) for _ in range(30)]
    old = [(name, record | {"due": record["time"]}) for name, record in old]
    table = fill(shop, events)
    before = at(table, t)
    fill(shop, old, [30], table)
    assert_same(shop, at(table, t), before)


@seeded
@given(seed=seeds, base=bases)
def test_events_after_the_question_do_not_leak_into_its_windows(
    shop: EntityLayout, raw_event: MakeEvent, fill: Fill, seed: int, base: int
) -> None:
    """Within the slack of 4 tiles; a newest event that is later makes its feature unknown."""
    chance = random.Random(seed)
    t = base + 20_000 - base % 1_000
    events = [raw_event(chance, t - chance.randrange(15_000)) for _ in range(60)]
    later = [raw_event(chance, t + 1 + chance.randrange(400)) for _ in range(60)]
    later = [(name, record | {"due": record["time"]}) for name, record in later]
    table = fill(shop, events)
    before = at(table, t)
    fill(shop, later, [60], table)
    newest = (Kind.LAST, Kind.SINCE)
    wanted = [
        feature.default if feature.kind in newest else value
        for feature, value in zip(shop.entity.features, before, strict=True)
    ]
    assert_same(shop, at(table, t), wanted)


def test_a_blob_comes_back_as_it_went(shop: EntityLayout, raw_event: MakeEvent, fill: Fill) -> None:
    chance = random.Random(3)
    events = stream(raw_event, chance, 0)
    whole = fill(shop, events)
    table = fill(shop, events[:40])
    [(key, blob)] = table.touched().items()
    assert key == "k"
    assert table.touched() == {}
    resumed = TileTable(shop, partitions=2)
    resumed.load("k", blob)
    for number, (name, record) in enumerate(events[40:], 40):
        resumed.update(name, ["k"], [record], 1, [number])
    assert resumed.blob("k") == whole.blob("k")


def test_the_header_tells_positions_and_the_newest_time(shop: EntityLayout) -> None:
    table = TileTable(shop, partitions=3)
    table.load("k", None)
    paid = [{"time": time, "due": time, "shop": "k"} for time in (500, 900, 100)]
    table.update("paid", ["k"] * 3, paid, 2, [7, 8, 9])
    table.update("paid", ["k"], [paid[0]], 0, [4])
    blob = table.blob("k")
    assert read_blob(shop, blob)[1:] == ((4, -1, 9), 900)
    assert read_blob(shop, None)[1:] == ((), None)
    assert blob is not None
    assert blob[:4] == b"HR\x01\x03"
    assert len(blob) == 16 + 8 * (3 + shop.width)


def test_foreign_blobs_are_refused_by_name(shop: EntityLayout) -> None:
    table = TileTable(shop, partitions=2)
    table.load("k", None)
    blob = table.blob("k")
    assert blob is not None
    wrong = {
        b"XX" + blob[2:]: "magic",
        blob[:2] + b"\x02" + blob[3:]: "version",
        blob[:4] + bytes(4) + blob[8:]: "fingerprint",
        blob[:-8]: "bytes",
        blob[:9]: "header",
        b"": "header",
    }
    for bad, said in wrong.items():
        with pytest.raises(ForeignState, match=said):
            read_blob(shop, bad)
        with pytest.raises(ForeignState, match="shop"):
            table.load("k", bad)
    with pytest.raises(ForeignState, match="found 2 partitions, expected 3"):
        TileTable(shop, partitions=3).load("k", blob)


def test_a_table_keeps_many_entities_apart_through_growth_and_eviction(
    shop: EntityLayout,
) -> None:
    table, few = TileTable(shop, partitions=1), 5
    keys = [f"k{number}" for number in range(3_000)]
    paid = [{"time": 1_000 + at, "due": 1_000 + at, "shop": key} for at, key in enumerate(keys)]
    for key in table.missing(keys + keys[:few]):
        table.load(key, None)
    table.update("paid", keys, paid, 0, range(3_000))
    assert table.evict(10**6) == 0
    blobs = table.touched()
    assert len(blobs) == len(table) == 3_000
    assert table.evict(3_000) == 2_000
    assert keys[0] not in table
    assert table.blob(keys[0]) is None
    assert table.blob(keys[2_500]) == blobs[keys[2_500]]
    assert table.missing(keys) == keys[:2_000]
    before = held(table)
    for key in keys[:2_000]:
        table.load(key, blobs[key])
    assert held(table) == before
    assert {key: table.blob(key) for key in keys} == blobs
    table.update("paid", keys[:1], paid[:1], 0, [3_000])
    table.drop(keys[:1])
    assert table.touched() == {}


def test_memory_is_little_more_than_the_tiles(shop: EntityLayout) -> None:
    table = TileTable(shop, partitions=1)
    for number in range(2_000):
        table.load(str(number), None)
    assert held(table) <= 1.3 * 2_000 * (8 * shop.width + 24)


def test_what_was_not_loaded_or_does_not_belong_is_refused(shop: EntityLayout) -> None:
    table = TileTable(shop, partitions=2)
    paid = {"time": 1, "due": 1, "shop": "k"}
    with pytest.raises(KeyError, match="k"):
        table.update("paid", ["k"], [paid], 0, [0])
    table.load("k", None)
    with pytest.raises(ValueError, match="lost"):
        table.update("lost", ["k"], [paid], 0, [0])
    with pytest.raises(ValueError, match="partition 2"):
        table.update("paid", ["k"], [paid], 2, [0])
    with pytest.raises(ValueError, match="2 records"):
        table.update("paid", ["k"], [paid, paid], 0, [0])
    assert table.touched() == {}


def test_an_entity_of_one_count_needs_one_lane() -> None:
    layout = EntityLayout(Entity("id", ("id",), (count("seen", 120),)))
    table = TileTable(layout, partitions=1)
    table.load("a", None)
    for size in (1, 50):
        table.update("seen", ["a"] * size, [{"time": 15, "id": "a"}] * size, 0, range(size))
    row, _, _ = read_blob(layout, table.blob("a"))
    assert layout.width == 1 + 16
    assert features_at(layout, row[None].repeat(3, 0), np.array([10, 130, 131])).tolist() == [
        [0.0],
        [51.0],
        [0.0],
    ]
