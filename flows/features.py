"""events → tiles → Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.reading import Reading
from flows.shards import Sharding, ShardUpdate, newest_of
from flows.sinks import LogSink, Outgoing, dead_letters
from flows.sources import EventBatch, EventsSource
from flows.tile_sink import TileSink
from infra import metrics
from infra.decoding import Columns
from infra.feature_store import FeatureStore
from online_models.features.layout import layouts_of

BATCH = 4_000
"""Records that share the cost of a write to Redis when the flow has to catch up. Live batches
are what has arrived, a handful."""


class DecodedBatch(NamedTuple):
    """A batch's records by their name, and what could not be read of it."""

    batch: EventBatch
    good: list[Columns]
    dead: list[dict[str, Any]]


class Steps:
    """The steps of the flow, as plain functions of one item."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.layouts = layouts_of(reading.domain)
        self._sharding = Sharding(self.layouts)
        self._decoder = reading.decoder(reading.domain.event_schemas)
        self._topic = reading.domain.topic("events")

    def decode(self, batch: EventBatch) -> DecodedBatch:
        """Records and dead letters of a batch."""
        good, dead = self._decoder.columns(self._topic, batch.partition, batch.raws)
        metrics.BATCHES.labels(self.reading.flow).inc()
        for columns in good:
            metrics.EVENTS.labels(self.reading.flow, columns.name).inc(len(columns.records))
        if good:
            metrics.EVENT_TIME.labels(self.reading.flow).set(newest_of(good) / 1_000)
        return DecodedBatch(batch, good, dead)

    def split(self, decoded: DecodedBatch) -> list[tuple[str, ShardUpdate]]:
        """One update for every shard."""
        batch = decoded.batch
        return self._sharding.split(batch.partition, batch.start, batch.next, decoded.good)

    def bury(self, decoded: DecodedBatch) -> list[Outgoing]:
        """The dead letters of a batch, for the log."""
        return dead_letters(self.reading, decoded.dead)


def flow(reading: Reading) -> Dataflow:
    """The dataflow; each item is a batch, so that its cost is shared by many events."""
    steps = Steps(reading)
    store = FeatureStore(reading.settings, reading.domain)
    partitions = len(reading.partitions("events"))
    dataflow = Dataflow("features")
    batches = op.input("events", dataflow, EventsSource(reading, _progress(store)))
    decoded = op.map("decode", batches, steps.decode)  # DecodedBatch
    dead = op.flat_map("bury", decoded, steps.bury)  # Outgoing
    op.output("dead-letters", dead, LogSink(reading, "dead-letters"))
    updates = op.flat_map("split", decoded, steps.split)  # (shard, ShardUpdate)
    horizon = reading.domain.horizon
    sink = TileSink(store, steps.layouts, partitions, horizon, reading.workers)
    op.output("tiles", updates, sink)
    return dataflow


def _progress(store: FeatureStore) -> Callable[[int], int]:
    """For each partition, the offset that the shard furthest behind waits for."""

    def of(partition: int) -> int:
        return min(progress[partition] if progress else 0 for progress in store.all_progress())

    return of
