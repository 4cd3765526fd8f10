"""Every flow from broker to sink on the visits and on flights, each on an empty Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchmarks.streams import checks, measured
from benchmarks.streams.asked_log import fill_asked
from benchmarks.streams.results import Options, Turn
from benchmarks.streams.stack import stack
from benchmarks.workloads import asked_visits, workload
from infra import topics
from infra.settings import Settings
from schemas.dataset import Stamped, load
from schemas.declare import Domain

FLOWS = {
    "features": ("events",),
    "learning": ("predictions", "labels"),
    "sampling": ("examples",),
    "drift": ("predictions", "examples", "scores"),
    "routing": ("predictions", "examples", "scores"),
}
"""What each reads, in the order in which they can run."""
WORKLOADS = ("visits", "flights")


def run(options: Options, told: Callable[[Turn], None]) -> list[Turn]:
    """Turns of all flows on both workloads; every round has a log of its own.

    Raises WrongOutput where a flow leaves something else than the log says.
    """
    turns: list[Turn] = []
    for number in range(options.rounds):
        for name in WORKLOADS:
            domain = workload(name)
            with stack(domain=name) as settings:
                for turn in _round(settings, domain, _stream(name, options), number):
                    turns.append(turn)
                    told(turn)
    return turns


def _stream(name: str, options: Options) -> Iterable[Stamped]:
    if name == "visits":
        return asked_visits(options.events, options.seed)
    return load(name).replay(options.days)


def _round(
    settings: Settings, domain: Domain, stream: Iterable[Stamped], number: int
) -> Iterable[Turn]:
    topics.create_topics(settings, domain)
    newest, counts = fill_asked(settings, domain, stream)
    for flow, reads in FLOWS.items():
        took = measured.flow(settings, flow)
        if flow == "features":
            checks.check_state(settings, domain, newest)
        else:
            checks.CHECKS[flow](settings, domain)
        if flow == "learning":
            counts |= checks.counted(settings, domain, ("examples", "scores"))
        yield Turn(
            part="flows", name=flow, workload=domain.name, round=number,
            records=sum(counts[stream] for stream in reads), seconds=took.seconds, cpu=took.cpu,
        )  # fmt: skip
