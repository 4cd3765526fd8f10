"""predictions, examples, scores and policies → what the arms have earned → routes."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.operators import StatefulBatchLogic

from flows.checks import fault
from flows.merge import AT_ONCE, Decode, Entry, Feed, Merge
from flows.reading import Part, Reading
from flows.sinks import LogSink, Outgoing, dead_letters
from flows.tail import Position
from infra import metrics
from infra.dead_letters import dead_letter
from infra.kafka import Raw
from online_models.routes.earning import Routing
from online_models.routes.policies import PolicyError
from online_models.routes.specs import ANY, spec_of
from schemas.avro import CORE
from schemas.declare import Domain

STREAMS = {
    "routes": ("policy", "route"),
    "examples": ("example",),
    "scores": ("score",),
    "predictions": ("prediction",),
}
"""The topics that are read, and the records that belong in each; of equal times the first first."""
KEY = "route"

Positions = tuple[Position, ...]


class Batch(NamedTuple):
    """Records in event-time order, and what could not be read."""

    entries: list[tuple[str, dict[str, Any]]]
    dead: list[dict[str, Any]]


class LogPart(Part):
    """All that routing reads, merged by event time; policies at once."""

    def __init__(self, reading: Reading, resume: Positions | None) -> None:
        super().__init__(reading)
        self._width = len(reading.domain.vector_names)
        places = [(stream, p) for stream in STREAMS for p in reading.partitions(stream)]
        starts: Sequence[Position | None] = resume or [None] * len(places)
        self._merge = Merge(
            [
                Feed(reading.tail(stream, p, start), self._decoding(stream), reading.batch)
                for (stream, p), start in zip(places, starts, strict=True)
            ]
        )

    def read(self) -> list[Batch]:
        """One batch, or none."""
        batch = Batch([], [])
        for _, name, record in self._merge.take(self.reading.batch):
            if not name:
                batch.dead.append(record)
            elif name != "route":  # what this flow has written itself
                batch.entries.append((name, record))
        for feed in self._merge.feeds:
            self.reading.gauge(feed.records, ())
        return [batch] if batch.entries or batch.dead else []

    def ended(self) -> bool:
        """Whether everything has been read."""
        return self._merge.ended()

    def snapshot(self) -> Positions:
        """Where to read on."""
        return tuple(feed.done for feed in self._merge.feeds)

    def close(self) -> None:
        """Leaves the broker."""
        self._merge.close()

    def _decoding(self, stream: str) -> Decode:
        decoder = self.reading.decoder({name: CORE[name] for name in STREAMS[stream]})

        def decode(topic: str, partition: int, raws: Sequence[Raw]) -> list[Entry]:
            good, dead = decoder.batch(topic, partition, raws)
            found = {letter["offset"]: Entry(AT_ONCE, "", letter) for letter in dead}
            for name, record, offset in good:
                time = AT_ONCE if stream == "routes" else record["time"]
                found[offset] = Entry(time, name, record)
            return [self._checked(topic, partition, raw, found[raw.offset]) for raw in raws]

        return decode

    def _checked(self, topic: str, partition: int, raw: Raw, entry: Entry) -> Entry:
        wrong = fault(entry.name, entry.record, self._width) or _wrong_policy(
            self.reading.domain, entry
        )
        if not wrong:
            return entry
        flow = self.reading.flow
        letter = dead_letter("wrong_value", wrong, flow, topic, partition, raw)
        return Entry(AT_ONCE, "", letter)


def _wrong_policy(domain: Domain, entry: Entry) -> str:
    if entry.name != "policy":
        return ""
    try:
        spec_of(domain, entry.record)
    except PolicyError as error:
        return str(error)
    return ""


class LogSource(FixedPartitionedSource[Batch, Positions]):  # type: ignore[misc]
    """All that routing reads, in one part: its order is that of event time."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def list_parts(self) -> list[str]:
        """One part."""
        return ["log"]

    def build_part(self, step_id: str, for_part: str, resume_state: Positions | None) -> LogPart:
        """Starts at the beginning, or goes on."""
        return LogPart(self._reading, resume_state)


class Earning(StatefulBatchLogic[Batch, dict[str, Any], bytes]):  # type: ignore[misc]
    """The routing of the domain, as the flow's one key."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing

    def on_batch(self, values: Sequence[Batch]) -> tuple[Iterable[dict[str, Any]], bool]:
        """Takes what has come; gives the route where it has changed."""
        record = self._routing.take(entry for batch in values for entry in batch.entries)
        return [record] if record else [], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The routing as it is now: it goes on changing while this is being stored."""
        return pickle.dumps(self._routing.state(), pickle.HIGHEST_PROTOCOL)


class Steps:
    """The steps of the flow, as plain functions of one item."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def bury(self, batch: Batch) -> list[Outgoing]:
        """What could not be read."""
        return dead_letters(self.reading, batch.dead)

    def key(self, batch: Batch) -> tuple[str, Batch]:
        """All of it is one key's."""
        return KEY, batch

    def earning(self, resume: bytes | None) -> Earning:
        """A routing to begin with, or as it was."""
        domain, seed = self.reading.domain, self.reading.settings.seed
        if resume is None:
            return Earning(Routing(domain, seed))
        state = pickle.loads(resume)  # from our own recovery store
        return Earning(Routing.resume(domain, seed, state))

    def routes(self, item: tuple[str, dict[str, Any]]) -> Outgoing:
        """The route, for the log."""
        _tell(item[1])
        return Outgoing("route", KEY, item[1])


def _tell(route: dict[str, Any]) -> None:
    for arm, share in route["editions"][-1]["shares"][ANY].items():
        metrics.ARM_SHARE.labels(arm).set(share)
    for posterior in route["posteriors"]:
        if posterior["context"] == ANY:
            metrics.ARM_REWARD.labels(posterior["arm"]).set(posterior["reward"])


def flow(reading: Reading) -> Dataflow:
    """The dataflow; each item is a batch."""
    steps = Steps(reading)
    dataflow = Dataflow("routing")
    batches = op.input("log", dataflow, LogSource(reading))  # Batch
    dead = op.flat_map("bury", batches, steps.bury)  # Outgoing
    op.output("dead-letters", dead, LogSink(reading, "dead-letters"))
    keyed = op.map("key", batches, steps.key)  # ("route", Batch)
    routed = op.stateful_batch("earn", keyed, steps.earning)  # ("route", route)
    op.output("routes", op.map("route", routed, steps.routes), LogSink(reading, "routes"))
    return dataflow
