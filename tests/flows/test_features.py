"""events → tiles → Redis: what the flow leaves there is what a bare loop over the events makes."""

from __future__ import annotations

import copy
import json
import random
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from benchmarks.workloads import visits
from flows.features import Steps
from flows.reading import Reading
from flows.run import run, store_path
from flows.sources import EventBatch
from flows.tiles import Shards
from infra.feature_store import SHARDS, EntityKey, FeatureStore, ShardWrite, shard_of
from infra.kafka import Raw, read_topic
from infra.settings import Settings
from online_models.features.blobs import read_blob
from online_models.features.finalise import features_at
from online_models.features.layout import layouts_of
from online_models.features.tiles import TileTable
from schemas.avro import Codec, frame
from schemas.declare import DAY, HOUR, MINUTE, Domain, Schema
from tests.flows.logs import START, Log
from tests.flows.test_crashes import content

Visit = dict[str, Any]


def bare(log: Log, partitions: int = 4) -> dict[str, bytes]:
    """The blobs of all users by a bare loop over the log, one event at a time."""
    [layout] = layouts_of(log.domain).values()
    table = TileTable(layout, partitions)
    decoder = log.reading().decoder({"visit": log.domain.schemas["visit"]})
    for message in read_topic(log.settings, log.domain.topic("events")):
        raw = Raw(message.offset(), message.timestamp()[1], message.key(), message.value())
        for _, record, offset in decoder.batch("events", message.partition(), [raw]).good:
            key = layout.entity.key_of(record)
            assert key is not None
            for new in table.missing([key]):
                table.load(new, None)
            table.update("visit", [key], [record], message.partition(), [offset])
    return {f"{layout.entity.name}:{key}": blob for key, blob in table.touched().items()}


def stored(settings: Settings, domain: Domain) -> dict[str, bytes]:
    """The blobs in Redis, by entity and key."""
    found = content(settings, domain, settings.generation)
    return {name.partition("}:")[2]: blob for name, blob in found.items() if "progress" not in name}


def write(log: Log, events: Iterable[Visit]) -> None:
    log.write("events", "visit", events, key="user")


def features(log: Log) -> None:
    run("features", log.settings, until_end=True, domain=log.domain)


def values(log: Log, user: str, t: int) -> list[float]:
    """The features of a user at a time, as the endpoint would read them."""
    [layout] = layouts_of(log.domain).values()
    [blob] = FeatureStore(log.settings, log.domain).read([(layout.entity.name, user)])
    row, _, _ = read_blob(layout, blob)
    return list(map(float, features_at(layout, row[None], np.array([t]))[0]))


def visit(user: str, time: int, amount: float = 1.0) -> Visit:
    [example] = visits(1)
    return {**example, "user": user, "time": time, "amount": amount}


@pytest.mark.parametrize("workers", [1, 2])
def test_redis_holds_what_a_bare_loop_makes(log: Log, workers: int) -> None:
    write(log, visits(4_000))
    run("features", log.settings, workers, until_end=True, domain=log.domain)
    wanted = bare(log)
    assert stored(log.settings, log.domain) == wanted
    assert len(wanted) > 500
    assert log.read("dead-letters") == []


def test_the_flow_goes_on_where_it_ended(log: Log) -> None:
    events = list(visits(2_000))
    write(log, events[:1_000])
    features(log)
    assert any(store_path(log.settings, log.domain, "features").iterdir())
    before = _counted("visit")
    write(log, events[1_000:])
    features(log)
    assert _counted("visit") - before == 1_000
    assert stored(log.settings, log.domain) == bare(log)


def _counted(name: str) -> float:
    found = REGISTRY.get_sample_value("headrace_events_total", {"flow": "features", "name": name})
    return found or 0.0


def test_emptied_redis_is_filled_again_from_the_log(log: Log, settings: Settings) -> None:
    import redis

    write(log, visits(1_000))
    features(log)
    whole = stored(log.settings, log.domain)
    client: Any = redis.Redis.from_url(settings.redis_url)
    client.delete(*client.scan_iter(f"hr:{{{log.domain.name}:*", count=5_000))
    client.close()
    assert stored(log.settings, log.domain) == {}
    features(log)
    assert stored(log.settings, log.domain) == whole


def test_late_and_disordered_events_land_where_they_belong(log: Log) -> None:
    draw = random.Random(4)
    events = [visit("u", START + draw.randrange(HOUR), draw.randrange(9)) for _ in range(300)]
    write(log, events)
    features(log)
    late = [visit("u", START + draw.randrange(30 * MINUTE, HOUR), 5.0) for _ in range(20)]
    t = START + HOUR
    before = values(log, "u", t)
    write(log, late)
    features(log)
    [layout] = layouts_of(log.domain).values()
    ordered = TileTable(layout, 1)
    ordered.load("u", None)
    every = sorted([*events, *late], key=lambda event: int(event["time"]))
    ordered.update("visit", ["u"] * len(every), every, 0, range(len(every)))
    row, _, _ = read_blob(layout, ordered.blob("u"))
    wanted = features_at(layout, row[None], np.array([t]))[0]
    assert values(log, "u", t) == list(map(float, wanted)) != before


def test_an_event_older_than_the_largest_window_changes_no_feature(log: Log) -> None:
    assert log.domain.horizon == HOUR
    write(log, [visit("u", START + i * MINUTE) for i in range(90)])
    features(log)
    t = START + 90 * MINUTE
    before = values(log, "u", t)
    write(log, [visit("u", t - HOUR - 5 * MINUTE - i * MINUTE, 1_000.0) for i in range(40)])
    features(log)
    np.testing.assert_array_equal(values(log, "u", t), before)


class Watched:
    """A store in memory that notes every write."""

    def __init__(self) -> None:
        self.blobs: dict[EntityKey, bytes] = {}
        self.at: dict[int, tuple[int, ...]] = {}
        self.writes: list[dict[EntityKey, bytes]] = []

    def read(self, keys: Sequence[EntityKey]) -> list[bytes | None]:
        return [self.blobs.get(key) for key in keys]

    def progress(self, shard: int) -> tuple[int, ...] | None:
        return self.at.get(shard)

    def write_all(self, writes: Sequence[ShardWrite]) -> list[bool]:
        return [self._write(write) for write in writes]

    def _write(self, write: ShardWrite) -> bool:
        if self.at.get(write.shard) != write.expected:
            return False
        self.writes.append(dict(write.blobs))
        self.blobs.update(write.blobs)
        self.at[write.shard] = tuple(write.progress)
        return True


def batch(log: Log, steps: Steps, events: Sequence[Visit], start: int) -> list[Any]:
    """What the flow makes of a batch of partition 0: updates by shard."""
    codec = Codec(log.domain.schemas["visit"])
    number = log.registry.id_of(f"{log.domain.topic('events')}-visit", codec.schema)
    raws = [
        Raw(start + i, START + DAY, None, frame(number, codec.encode(event)))
        for i, event in enumerate(events)
    ]
    decoded = steps.decode(EventBatch(0, start, start + len(raws), raws))
    assert decoded.dead == []
    return [update for _, update in steps.split(decoded)]


def test_of_an_entity_only_the_newest_record_of_a_batch_is_written(log: Log) -> None:
    steps = Steps(log.reading("features"))
    events = [visit("a", START + i) for i in range(50)] + [visit("b", START)]
    store = Watched()
    number = shard_of("user", "a")
    shard = Shards(store, steps.layouts, [number], 1, log.domain.horizon)
    updates = [batch(log, steps, events, 0)[number], batch(log, steps, events, len(events))[number]]
    shard.take(updates)
    [written] = store.writes
    assert Counter(key for _, key in written)["a"] == 1
    assert store.at == {number: (2 * len(events),)}
    shard.take(updates)
    assert len(store.writes) == 1


@pytest.mark.parametrize("seed", range(3))
def test_two_writers_of_a_shard_end_where_one_ends(log: Log, seed: int) -> None:
    """Each gets the batches at its own pace, and one restarts; neither undoes the other."""
    draw = random.Random(seed)
    steps = Steps(log.reading("features"))
    events = list(visits(600, seed))
    batches = [batch(log, steps, events[i : i + 20], i) for i in range(0, len(events), 20)]
    number = draw.randrange(SHARDS)
    alone, contended = Watched(), Watched()

    def writer(store: Watched) -> Shards:
        return Shards(store, steps.layouts, [number], 1, log.domain.horizon)

    one = writer(alone)
    for each in batches:
        one.take([copy.deepcopy(each[number])])
    pair, places = [writer(contended), writer(contended)], [0, 0]
    while min(places) < len(batches):
        which = draw.randrange(2)
        if draw.random() < 0.1:
            pair[which] = writer(contended)
        if places[which] < len(batches):
            pair[which].take([copy.deepcopy(batches[places[which]][number])])
            places[which] += 1
    assert contended.blobs == alone.blobs
    assert contended.at == alone.at
    assert len(contended.writes) == len(batches)


def test_of_shards_that_are_written_together_only_those_are_refused_that_another_wrote(
    log: Log,
) -> None:
    steps = Steps(log.reading("features"))
    events = list(visits(120, 1))
    first, second = batch(log, steps, events[:60], 0), batch(log, steps, events[60:], 60)
    alone, contended = Watched(), Watched()

    def writer(store: Watched, numbers: Sequence[int] = range(SHARDS)) -> Shards:
        return Shards(store, steps.layouts, numbers, 1, log.domain.horizon)

    one = writer(alone)
    one.take(copy.deepcopy(first))
    one.take(copy.deepcopy(second))
    late = writer(contended)
    writer(contended, [2]).take([copy.deepcopy(first[2])])
    late.take(copy.deepcopy(first))
    late.take(copy.deepcopy(second))
    assert contended.blobs == alone.blobs
    assert contended.at == alone.at
    assert len(contended.writes) == 2 * SHARDS


def test_two_flows_at_once_on_one_generation_end_where_one_ends(log: Log) -> None:
    """As when a flow that was thought dead comes back; each has a recovery store of its own."""
    write(log, visits(1_200))
    homes = [log.settings.home / name for name in ("one", "two")]
    threads = [
        threading.Thread(
            target=run,
            args=("features", log.settings.model_copy(update={"home": home})),
            kwargs={"until_end": True, "domain": log.domain, "batch": 100},
        )
        for home in homes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert stored(log.settings, log.domain) == bare(log)


def _other_types(domain: Domain) -> Schema:
    schema = copy.deepcopy(dict(domain.schemas["visit"]))
    next(f for f in schema["fields"] if f["name"] == "amount")["type"] = "string"
    return schema


def _without_time(domain: Domain) -> Schema:
    schema = copy.deepcopy(dict(domain.schemas["visit"]))
    schema["fields"] = [f for f in schema["fields"] if f["name"] != "time"]
    return schema


def unusable(log: Log) -> dict[str, tuple[str, bytes | None, str]]:
    """Every kind of message that cannot be used: reason, bytes, a part of the detail."""
    good, schema = visit("u", START), log.domain.schemas["visit"]
    subject = log.domain.topic("events")

    def made(schema: Schema, record: Visit) -> bytes:
        number = log.registry.id_of(f"{subject}-visit", schema)
        return frame(number, Codec(schema).encode(record))

    untimed = {name: value for name, value in good.items() if name != "time"}
    whole = made(schema, good)
    return {
        "no value": ("not_avro", None, "no value"),
        "text": ("not_avro", json.dumps(good).encode(), "first byte 123"),
        "cut off": ("not_avro", whole[:-3], "visit"),
        "too long": ("not_avro", whole + b"x", "1 bytes too many"),
        "unknown id": ("unknown_schema", frame(4_242, whole[5:]), "4242"),
        "wrong type": (
            "foreign_record",
            made(_other_types(log.domain), good | {"amount": "x"}),
            "",
        ),
        "no time": ("foreign_record", made(_without_time(log.domain), untimed), "time"),
        "not finite": (
            "wrong_value",
            made(schema, good | {"amount": float("nan")}),
            "amount is nan",
        ),
        "too early": (
            "bad_time",
            made(schema, good | {"time": log.domain.earliest - 1}),
            "time is",
        ),
        "negative": ("bad_time", made(schema, good | {"time": -(2**63)}), "time is"),
        "far future": ("bad_time", made(schema, good | {"time": 2**62}), "time is"),
    }


def test_whatever_cannot_be_used_is_buried_whole_and_the_flow_goes_on(log: Log) -> None:
    cases = unusable(log)
    write(log, [visit("u", START)])
    log.write_bytes("events", [data for _, data, _ in cases.values()], b"some key")
    write(log, [visit("u", START + 1)])
    places = {
        (message.partition(), message.offset()): message.value()
        for message in read_topic(log.settings, log.domain.topic("events"))
    }
    features(log)
    letters = log.read("dead-letters")
    assert len(letters) == len(cases)
    for letter in letters:
        assert letter["topic"] == log.domain.topic("events")
        assert letter["value"] == places[letter["partition"], letter["offset"]]
        assert (letter["flow"], letter["key"]) == ("features", b"some key")
        assert letter["time"] > START
    by_value = {letter["value"]: letter for letter in letters}
    for what, (reason, data, said) in cases.items():
        assert by_value[data]["reason"] == reason, what
        assert said in by_value[data]["detail"], what
    assert stored(log.settings, log.domain) == bare(log)
    assert values(log, "u", START + 1)[0] == 2.0


def test_times_at_the_edges_of_what_is_allowed(log: Log) -> None:
    reading: Reading = log.reading()
    schema = log.domain.schemas["visit"]
    decoder = reading.decoder({"visit": schema})
    number = log.registry.id_of(f"{log.domain.topic('events')}-visit", schema)
    logged, earliest = START, log.domain.earliest
    for time, fine in (
        (earliest, True),
        (earliest - 1, False),
        (logged + DAY, True),
        (logged + DAY + 1, False),
    ):
        body = frame(number, Codec(schema).encode(visit("u", time)))
        good, dead = decoder.batch("t", 0, [Raw(0, logged, None, body)])
        assert (len(good), len(dead)) == (int(fine), int(not fine)), time
