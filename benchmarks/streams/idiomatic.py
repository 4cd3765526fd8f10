"""Windows per user in Bytewax as its guide has one write them: item by item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import bytewax.operators as op
import redis
from bytewax._bytewax import run_main
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from fastavro import parse_schema, schemaless_reader

from benchmarks.workloads import VISIT, WINDOWS

TILES = 12
NAMES = [f"{what}_{over}" for over in WINDOWS for what in ("count", "sum", "mean")]
_SCHEMA = parse_schema(
    {
        **VISIT,
        "fields": [
            {**field, "type": "long"} if field["name"] == "time" else field
            for field in VISIT["fields"]
        ],
    }
)

Tiles = list[dict[int, list[float]]]


def decode(message: KafkaSourceMessage[bytes, bytes]) -> dict[str, Any]:
    """One record."""
    body = BytesIO(message.value)
    body.seek(5)
    record = schemaless_reader(body, _SCHEMA, None)
    assert isinstance(record, dict)
    return record


def user_of(record: dict[str, Any]) -> str:
    """The key."""
    return str(record["user"])


def update(tiles: Tiles | None, record: dict[str, Any]) -> tuple[Tiles, dict[str, float]]:
    """Adds a record to the user's tiles and gives the features at its time."""
    tiles = tiles or [{} for _ in WINDOWS]
    features = {}
    for over, ring in zip(WINDOWS, tiles, strict=True):
        newest = (record["time"] - 1) // (over // TILES)
        tile = ring.setdefault(newest, [0.0, 0.0])
        tile[0] += 1
        tile[1] += record["amount"]
        while (oldest := next(iter(ring))) <= newest - TILES:
            del ring[oldest]
        count = sum(tile[0] for tile in ring.values())
        total = sum(tile[1] for tile in ring.values())
        features[f"count_{over}"] = count
        features[f"sum_{over}"] = total
        features[f"mean_{over}"] = total / count
    return tiles, features


class _RedisPart(StatelessSinkPartition[tuple[str, dict[str, Any]]]):  # type: ignore[misc]
    def __init__(self, url: str, prefix: str) -> None:
        self._redis = redis.Redis.from_url(url)
        self._prefix = prefix

    def write_batch(self, items: Iterable[tuple[str, dict[str, Any]]]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for user, features in items:
            pipe.hset(self._prefix + user, mapping=features)  # type: ignore[arg-type]
        pipe.execute()


class RedisSink(DynamicSink[tuple[str, dict[str, Any]]]):  # type: ignore[misc]
    """One HSET a record; those of a batch go in one pipeline."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _RedisPart:
        """A connection for every worker."""
        return _RedisPart(self._url, self._prefix)


def run(brokers: str, topic: str, redis_url: str, prefix: str) -> None:
    """Reads the topic to its end."""
    flow = Dataflow("idiomatic")
    messages = op.input("events", flow, KafkaSource([brokers], [topic], tail=False))
    records = op.map("decode", messages, decode)
    keyed = op.key_on("user", records, user_of)
    features = op.stateful_map("windows", keyed, update)
    op.output("redis", features, RedisSink(redis_url, prefix))
    run_main(flow)  # type: ignore[no-untyped-call]


def features(redis_url: str, prefix: str, users: Iterable[str]) -> dict[str, list[float]]:
    """What stands in Redis."""
    client = redis.Redis.from_url(redis_url)
    found: dict[str, list[float]] = {}
    for user in users:
        values: Sequence[Any] = client.hmget(prefix + user, NAMES)
        found[user] = [float(value) for value in values]
    return found
