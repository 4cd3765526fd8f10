"""predictions, examples, scores and policies → what the arms have earned → routes."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic

from flows.checks import Checks, Fault, Time, checked, event_time
from flows.parts import MergedPart, PartedSource, Positions
from flows.reading import Reading
from flows.sinks import LogSink, Outgoing, dead_letters
from infra import metrics
from online_models.routes.earning import Earnings
from online_models.routes.policies import PolicyError
from online_models.routes.specs import ANY, spec_of
from schemas.avro import CORE
from schemas.declare import Domain

STREAMS = {
    "policies": "policy",
    "examples": "example",
    "scores": "score",
    "predictions": "prediction",
}
"""The topics that are read, and the record that belongs in each; of equal times the first first."""
KEY = "route"
_SINCE: Time = itemgetter("since")


class Batch(NamedTuple):
    """Records in event-time order, and what could not be read."""

    entries: list[tuple[str, dict[str, Any]]]
    dead: list[dict[str, Any]]


class RoutingPart(MergedPart):
    """All that routing reads, merged by event time; a policy comes when it begins to hold."""

    def __init__(self, reading: Reading, resume: Positions | None) -> None:
        wrong = partial(_wrong, reading.domain, Checks(reading.domain))
        decoding = {}
        for stream, name in STREAMS.items():
            batch = reading.decoder({name: CORE[name]}).batch
            time = _SINCE if name == "policy" else event_time
            decoding[stream] = checked(reading.flow, batch, wrong, time)
        super().__init__(reading, decoding, resume)

    def read(self) -> list[Batch]:
        """One batch, or none."""
        batch = Batch([], [])
        for _, name, record in self.take():
            if name:
                batch.entries.append((name, record))
            else:
                batch.dead.append(record)
        return [batch] if batch.entries or batch.dead else []


def _wrong(domain: Domain, usual: Fault, name: str, record: Mapping[str, Any]) -> str:
    if name == "policy":
        try:
            spec_of(domain, record)
        except PolicyError as error:
            return str(error)
    return usual(name, record)


class Routes(StatefulBatchLogic[Batch, dict[str, Any], bytes]):  # type: ignore[misc]
    """What the arms of the domain have earned, as the flow's one key."""

    def __init__(self, earnings: Earnings) -> None:
        self._earnings = earnings

    def on_batch(self, values: Sequence[Batch]) -> tuple[Iterable[dict[str, Any]], bool]:
        """Takes what has come; gives the route where it has changed."""
        record = self._earnings.take(entry for batch in values for entry in batch.entries)
        return [record] if record else [], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The earnings as they are now: they go on changing while this is being stored."""
        return pickle.dumps(self._earnings.state(), pickle.HIGHEST_PROTOCOL)


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

    def earning(self, resume: bytes | None) -> Routes:
        """Nothing earned yet, or as it was."""
        domain, seed = self.reading.domain, self.reading.settings.seed
        if resume is None:
            return Routes(Earnings(domain, seed))
        state = pickle.loads(resume)  # from our own recovery store
        return Routes(Earnings.resume(domain, seed, state))

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
    batches = op.input(
        "log", dataflow, PartedSource({"log": partial(RoutingPart, reading)})
    )  # Batch
    dead = op.flat_map("bury", batches, steps.bury)  # Outgoing
    op.output("dead-letters", dead, LogSink(reading, "dead-letters"))
    keyed = op.map("key", batches, steps.key)  # ("route", Batch)
    routed = op.stateful_batch("earn", keyed, steps.earning)  # ("route", route)
    op.output("routes", op.map("route", routed, steps.routes), LogSink(reading, "routes"))
    return dataflow
