"""A whole stack for a measurement alone: started, filled with events, taught, and deleted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.freshness import learned
from benchmarks.freshness.delays import FreshnessError, wait
from benchmarks.traffic import Events
from infra.feature_store import FeatureStore
from infra.settings import Settings, alone, domain_of
from infra.stack import Stack
from schemas.declare import Domain, Unlabelled

KNOWN_EVENTS = 20_000
"""Events sent before anything is measured, so that the entities asked for are known."""

_LABELS, _RATE = 500, 250.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A running stack whose endpoint serves a learned model; `at` is its newest event time (ms)."""

    settings: Settings
    domain: Domain
    stack: Stack
    events: Events
    at: int


@contextmanager
def own_stack(
    settings: Settings, events_rate: float = 500.0, seed: int = 1, **changes: object
) -> Iterator[Prepared]:
    """Broker, Redis, flows and endpoint in a folder of their own that is deleted with them.

    `events` go on where the first ones ended, once entered as a context. `changes` are settings.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as home:
        own = alone(settings, Path(home), **changes)
        domain = domain_of(own)
        with Stack(own) as stack:
            events = Events(own, domain, events_rate, seed)
            events.send_at_once(KNOWN_EVENTS)
            _wait_worked_through(own, domain, events)
            _teach(own, domain, events.time, seed)
            yield Prepared(own, domain, stack, events, events.time)


def _wait_worked_through(settings: Settings, domain: Domain, events: Events) -> None:
    """Until every shard holds all events that were sent; raises FreshnessError."""
    store = FeatureStore(settings, domain)
    ends = {partition: end for (_, partition), end in events.sender.positions.items()}
    wait(lambda: not store.behind(ends))
    if store.behind(ends):
        raise FreshnessError("flows/features did not work through the first events in time")
    store.close()


def _teach(settings: Settings, domain: Domain, at: int, seed: int) -> None:
    """Asks and labels until the served learner has published.

    Where silence is an answer, nothing is learned before the deadline of the first question
    (decision 0014): so one is asked whose deadline has passed.
    """
    if domain.label.missing is Unlabelled.NEGATIVE:
        learned.answered(settings, domain, 1, _RATE, seed, at - domain.label.deadline)
    asked = learned.ask(settings, domain, _LABELS, _RATE, seed, at)
    learned.learn(settings, domain, asked, 2 * _RATE, seed)
