"""How long the year of flights takes through features, join and learning, on an empty Redis.

The log is filled first, and not timed: events and labels of the data set, and the predictions of
an endpoint that answered every question from all events up to its time
(`benchmarks.learning.asked`). Then both flows start as processes of their own and read to the end
of the log.

Checked at the end: every question with a label in time is an example once, and every learner has
scored it; the state in Redis lacks no event, and for the newest questions it gives the features
that plain Python computes from the events of the log.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.streams.asked_log import fill_asked
from benchmarks.streams.checks import check_examples, check_state
from flows.run import run as run_flow
from infra.settings import Settings, alone
from infra.stack import Stack
from schemas import domains
from schemas.dataset import load
from schemas.declare import Domain

DATA = "flights"
FLOWS = ("features", "learning")


class YearError(RuntimeError):
    """There is no such learner, or a flow ended early."""


class Year(NamedTuple):
    """Records of the log; seconds that each flow took, and that both took side by side."""

    records: dict[str, int]
    seconds: dict[str, float]
    total: float
    examples: int
    auc: float

    def told(self) -> str:
        """For a person."""
        each = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        logged = ", ".join(f"{number:,} {name}" for name, number in self.records.items())
        return (
            f"{logged}: through features, join and learning in {self.total:.0f} s ({each}), "
            f"{self.examples:,} examples; the served learner's AUC just before it learned "
            f"{self.auc:.3f}; state, features and examples checked"
        )


def run(settings: Settings, days: float | None = None, learners: Sequence[str] = ()) -> Year:
    """Fills a log of its own and replays it, with all of the domain's learners or these alone.

    Raises YearError, WrongOutput where what came out is not what the log says, LogError,
    StartError.
    """
    domain, data = _with(domains.load(DATA), learners), load(DATA)
    with tempfile.TemporaryDirectory(prefix="headrace-year-") as home:
        own = alone(settings, Path(home), domain=DATA)
        with Stack(own, flows=(), endpoint=False):
            newest, counts = fill_asked(own, domain, data.replay(days))
            seconds, total = _replay(own, domain)
            check_state(own, domain, newest)
            examples, auc = check_examples(own, domain)
    return Year(counts, seconds, total, examples, auc)


def _with(domain: Domain, learners: Sequence[str]) -> Domain:
    if not learners:
        return domain
    specs = {spec.name: spec for spec in domain.learners}
    if unknown := set(learners) - specs.keys():
        raise YearError(f"no learner {min(unknown)!r}; there are {', '.join(specs)}")
    return replace(domain, learners=tuple(specs[name] for name in learners), served=learners[0])


def _flow(name: str, settings: Settings, domain: Domain) -> None:
    run_flow(name, settings, until_end=True, domain=domain)


def _replay(settings: Settings, domain: Domain) -> tuple[dict[str, float], float]:
    """Seconds that each flow took, imports and all, and that both took."""
    spawn = multiprocessing.get_context("spawn")
    began = time.perf_counter()
    running = {name: spawn.Process(target=_flow, args=(name, settings, domain)) for name in FLOWS}
    for process in running.values():
        process.start()
    took: dict[str, float] = {}
    while running.keys() - took:
        time.sleep(0.05)
        for name, process in running.items():
            if name not in took and process.exitcode is not None:
                took[name] = time.perf_counter() - began
                if process.exitcode:
                    _end(list(running.values()))
                    raise YearError(f"flow {name} ended with {process.exitcode}")
    return took, max(took.values())


def _end(processes: Sequence[Any]) -> None:
    for process in processes:
        process.kill()
        process.join()
