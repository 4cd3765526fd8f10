"""predictions, examples and scores → is the stream still what it was? → drift alarms.

What is watched: the vector and the served score as questions come, labels and the served loss as
labels come, the loss of every arm. Each is a key of its own, so that workers share them out, and
sees its records in the order of event time, whatever else runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource

from flows.checks import Checks, checked
from flows.made import Made
from flows.parts import MergedPart, Positions
from flows.reading import Reading
from flows.sinks import LogSink, Outgoing, dead_letters
from infra import metrics
from online_models.drift.watcher import Watcher, watchers
from schemas.avro import CORE

STREAMS = {"predictions": "prediction", "examples": "example", "scores": "score"}
"""The topics that are watched, and the record that belongs in each."""

PAUSE = timedelta(milliseconds=500)
"""What is drifting may be told so much later: records that are taken together cost less."""

Record = dict[str, Any]


class Watched(NamedTuple):
    """Records of one stream in event-time order, and what could not be read; `key` watches it."""

    stream: str
    records: list[Record]
    dead: list[Record]
    key: str = ""


class StreamPart(MergedPart):
    """All partitions of one topic, merged by event time."""

    def __init__(self, reading: Reading, stream: str, resume: Positions | None) -> None:
        name = STREAMS[stream]
        batch = reading.decoder({name: CORE[name]}).batch
        decode = checked(reading.flow, batch, Checks(reading.domain))
        super().__init__(reading, {stream: decode}, resume)
        self._stream = stream

    def read(self) -> list[Watched]:
        """One batch, or none."""
        batch = Watched(self._stream, [], [])
        for _, name, record in self.take():
            (batch.records if name else batch.dead).append(record)
        return [batch] if batch.records or batch.dead else []

    def next_awake(self) -> datetime | None:
        """Where little is left to read, a while later, whatever came."""
        if self.reading.until_end or self.lag() > self.reading.batch // 10:
            return super().next_awake()
        return datetime.now(UTC) + PAUSE


class StreamSource(FixedPartitionedSource[Watched, Positions]):  # type: ignore[misc]
    """The three streams, each a part with an order of its own."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def list_parts(self) -> list[str]:
        """One part a stream."""
        return list(STREAMS)

    def build_part(self, step_id: str, for_part: str, resume_state: Positions | None) -> StreamPart:
        """Starts at the beginning, or goes on."""
        return StreamPart(self._reading, for_part, resume_state)


class Watching(Made[Watcher]):
    """One watcher as a key of the flow."""

    def on_batch(self, values: Sequence[Watched]) -> tuple[Iterable[Record], bool]:
        """Takes what has come; gives what became of alarms."""
        watcher = self.core(values[0].key)
        told = watcher.take([record for watched in values for record in watched.records])
        _tell(watcher, told)
        return told, Made.RETAIN

    def state(self, core: Watcher) -> Watcher:
        """All of it."""
        return core


def _tell(watcher: Watcher, told: Sequence[Record]) -> None:
    metrics.DRIFT_OPEN.labels(watcher.key).set(len(watcher.alarms.open))
    metrics.DRIFT_WATCHING.labels(watcher.key).set(watcher.ready)
    for record in told:
        metrics.DRIFT_ALARMS.labels(record["what"], record["state"]).inc()


class Steps:
    """The steps of the flow, as plain functions of one item."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        made = watchers(reading.domain, reading.settings.seed)
        self._watchers = {watcher.key: watcher for watcher in made}

    def bury(self, batch: Watched) -> list[Outgoing]:
        """What could not be read."""
        return dead_letters(self.reading, batch.dead)

    def share(self, batch: Watched) -> list[tuple[str, Watched]]:
        """Every watcher of that stream gets it; of the scores, each those of its arm."""
        metrics.EVENTS.labels(self.reading.flow, STREAMS[batch.stream]).inc(len(batch.records))
        keys = [key for key, w in self._watchers.items() if w.stream == batch.stream]
        mine = dict.fromkeys(keys, batch.records)
        if batch.stream == "scores":
            mine = {key: [] for key in keys}
            for record in batch.records:
                mine.get(f"error:{record['learner']}", []).append(record)
        return [(key, Watched(batch.stream, own, [], key)) for key, own in mine.items() if own]

    def watching(self, resume: bytes | None) -> Watching:
        """A watcher to be made, or as it was."""
        return Watching(self._watcher, resume)

    def alarms(self, item: tuple[str, Record]) -> Outgoing:
        """A record of an alarm, keyed by the alarm."""
        return Outgoing("alarm", item[1]["id"], item[1])

    def _watcher(self, key: str, state: Watcher | None) -> Watcher:
        return state or self._watchers[key]


def flow(reading: Reading) -> Dataflow:
    """The dataflow; each item is a batch, so that its cost is shared by many records."""
    steps = Steps(reading)
    dataflow = Dataflow("drift")
    batches = op.input("streams", dataflow, StreamSource(reading))  # Watched
    dead = op.flat_map("bury", batches, steps.bury)  # Outgoing
    op.output("dead-letters", dead, LogSink(reading, "dead-letters"))
    shared = op.flat_map("share", batches, steps.share)  # (watcher, Watched)
    told = op.stateful_batch("watch", shared, steps.watching)  # (watcher, alarm)
    op.output("drift", op.map("alarm", told, steps.alarms), LogSink(reading, "drift"))
    return dataflow
