"""How soon a running stack knows: event sent → value servable, label sent → serving model has it.

Events of the data set flow at a declared rate all the while, first with probes among them. Then
questions are asked and their labels sent: to make the questions takes this process a second, in
which it could not look for probes.
"""

from __future__ import annotations

import msgspec

from benchmarks.freshness import learned
from benchmarks.freshness.delays import Delay
from benchmarks.freshness.probes import Probes
from benchmarks.machine import Machine, facts
from benchmarks.traffic import Events
from infra import inspection
from infra.settings import Settings, domain_of
from schemas.declare import Domain

FRESHNESS = "freshness"

_WARM_UP_S = 2.0
"""A producer's first records wait for the broker's metadata: that is no freshness of the stack."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Rates per second; `labels` are those that are measured."""

    events_rate: float = 1000.0
    probes_rate: float = 50.0
    seconds: float = 30.0
    labels: int = 3000
    labels_rate: float = 250.0
    asking_rate: float = 300.0
    seed: int = 1


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `due` is of those labels alone that made a snapshot due when they came: the
    rest of `label_serving` is waiting for the domain's `publishing`. `resolution_ms` is the p99 of
    the time between two looks at what is servable."""

    kind: str
    options: Options
    machine: Machine
    domain: str
    events_per_s: float
    event_servable: Delay
    label_serving: Delay
    due: Delay | None
    versions: int
    questions: dict[str, int]
    resolution_ms: dict[str, float]


def run(settings: Settings, options: Options) -> Freshness:
    """Measure the stack that the settings name; its endpoint and both flows must run.

    Raises FreshnessError where a probe or a label did not arrive, or an answer was wrong.
    """
    domain = domain_of(settings)
    every = max(1, round(options.events_rate / options.probes_rate))
    with Probes(settings, domain, every) as probes:
        events = Events(settings, domain, options.events_rate, options.seed, probes.make)
        with events:
            events.wait_for(_WARM_UP_S)
            probes.begin()
            events.wait_for(options.seconds)
            servable = probes.finish()
            at = max(events.time, _newest(settings, domain))
            asked = learned.ask(
                settings, domain, options.labels, options.asking_rate, options.seed, at
            )
            found = learned.learn(settings, domain, asked, options.labels_rate, options.seed)
            events.stop()
    return Freshness(
        kind=FRESHNESS,
        options=options,
        machine=facts(),
        domain=domain.name,
        events_per_s=events.rate(),
        event_servable=servable,
        label_serving=found.all,
        due=found.due,
        versions=found.versions,
        questions=asked.outcomes,
        resolution_ms={"event": probes.resolution(), "label": found.resolution},
    )


def _newest(settings: Settings, domain: Domain) -> int:
    """The newest time that was asked about; what is asked before it the join may call late."""
    asked = inspection.read(settings, domain, "predictions")
    return max((prediction["time"] for prediction in asked), default=0)
