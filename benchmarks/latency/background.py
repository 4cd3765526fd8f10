"""The latency benchmark while everything else runs: events in, features and models out."""

from __future__ import annotations

from contextlib import ExitStack

import msgspec

from benchmarks.latency import run as latency
from benchmarks.latency import search
from benchmarks.latency.results import Options, Result
from benchmarks.latency.search import Told
from benchmarks.traffic import Events, Labels, Sent, Traffic
from infra.settings import Settings, domain_of
from schemas.declare import Domain

IDLE = "idle: nothing else is sent"


def described(options: Options) -> str:
    """What runs beside the questions, in words."""
    if not options.events_rate and not options.labels_rate:
        return IDLE
    return (
        f"events at {options.events_rate:g}/s and labels at {options.labels_rate:g}/s flow in, "
        "features are updated, models learn and are swapped"
    )


class Background:
    """Events and labels at the rates of the options, while it is entered as a context."""

    def __init__(
        self, settings: Settings, domain: Domain, options: Options, events: Events | None
    ) -> None:
        self._stack = ExitStack()
        self._events = events if options.events_rate else None
        labels = Labels(settings, domain, options.labels_rate or 1.0, options.seed)
        self._labels = labels if options.labels_rate else None

    def __enter__(self) -> Background:
        for part in (self._events, self._labels):
            if part is not None:
                self._stack.enter_context(part)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stop(self) -> Sent:
        """Ends both; raises TrafficError or Undelivered where not all was sent."""
        return Sent(events_per_s=_ended(self._events), labels_per_s=_ended(self._labels))


def _ended(part: Traffic | None) -> float:
    if part is None:
        return 0.0
    part.stop()
    return round(part.rate(), 1)


def measure(
    options: Options, settings: Settings, events: Events | None, told: Told | None
) -> Result:
    """A latency run, or a search that tells of its probes, with the background of the options.

    `events` go on from where they stand; None where no events are asked for.
    Raises LoadError, ValueError, TrafficError.
    """
    bodies = latency.bodies_for(options)  # before anything flows: reading a data set takes seconds

    def run() -> Result:
        if told is not None:
            return search.search(options, bodies, told)
        return latency.run(options, bodies)

    if not options.events_rate and not options.labels_rate:
        return run()
    with Background(settings, domain_of(settings), options, events) as background:
        result = run()
        sent = background.stop()
    return msgspec.structs.replace(result, sent=sent)
