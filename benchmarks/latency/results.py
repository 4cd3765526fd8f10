"""The result of the latency benchmark as it stands in JSON."""

from __future__ import annotations

import math
import time
from typing import Any

import msgspec

from benchmarks import rates
from benchmarks.latency import confidence, failures
from benchmarks.latency.confidence import Decision, Share
from benchmarks.latency.figures import Figure, floats
from benchmarks.latency.observe import Stage
from benchmarks.load.plan import Swap
from benchmarks.machine import Machine, facts
from benchmarks.traffic import Sent

LATENCY = "latency"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. Bodies come from `body_file`, or else from the data set of `domain`.

    `events_rate` and `labels_rate` per second are what is sent beside the questions; `background`
    says it in words. The probes of a search look after `probe_s` seconds whether they are decided.
    """

    url: str = "http://127.0.0.1:8080/predict"
    rate: float = 1000.0
    seconds: float = 60.0
    warmup_s: float = 5.0
    repeats: int = 1
    budget_ms: float = 50.0
    percentile: float = 0.99
    confidence: float = 0.99
    connections: int = 64
    max_connections: int = 512
    drain_s: float = 10.0
    seed: int = 1
    zipf: float = 1.0
    domain: str = "flights"
    body_file: str | None = None
    at: str = "data"
    start: str | None = None
    check: str = "headrace"
    background: str = "not stated"
    events_rate: float = 0.0
    labels_rate: float = 0.0
    probe_s: tuple[float, ...] = (2.0, 4.0, 8.0)
    resolution: float = 0.05


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the percentile stays inside the budget, and what it took to say so.

    An overrun is a request without a right answer inside the budget. `allowed` is how many the
    planned look allowed; `needed` how many requests MLPerf's early stopping would want for them.
    """

    decision: Decision
    overruns: int
    requests: int
    allowed: int
    needed: int
    looks: int


class Moment(msgspec.Struct, frozen=True):
    """A slice of the run: seconds after its start, latencies in ms, requests and failures."""

    at: float
    p50: float
    p99: float
    max: float
    count: int
    failed: int


class Generator(msgspec.Struct, frozen=True, kw_only=True):
    """What the load generator says of itself, times in ms.

    `late` is how late it came to a request (its event loop's lag as Poisson arrivals see it),
    `waited` how long requests waited for a free connection; `overruns` are those of the run had
    latency counted from when it came to the request. `faults` make the run invalid.
    """

    late: dict[str, float]
    waited: dict[str, float]
    cpu: float
    connections: int
    retried: int
    overruns: int
    faults: list[str]
    remarks: list[str]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run at one rate; latencies in ms, from the intended send time.

    A request without a right answer counts in `latency`, in its `intervals` and in `replicates` as
    one that took for ever; `warmup`, `answered` and `histogram` are of right answers. A percentile
    that the run is too short to bound has no interval.
    """

    seed: int
    started: int
    rate: float
    offered: float
    seconds: float
    warmup: dict[str, float]
    latency: dict[str, Figure]
    answered: dict[str, float]
    intervals: dict[str, tuple[Figure, Figure]]
    outcomes: dict[str, int]
    over_budget: Share
    verdict: Verdict
    generator: Generator
    swaps: list[Swap]
    stages: dict[str, Stage]
    machine_busy: float
    timeline: list[Moment]
    histogram: str
    replicates: dict[str, list[Figure]]

    def __post_init__(self) -> None:
        """Raises ValueError for a damaged histogram, which msgspec tells with its place."""
        confidence.read(self.histogram)

    @property
    def failures(self) -> list[str]:
        """Why the run failed; empty where it did not."""
        return failures.of(self.outcomes)

    @property
    def valid(self) -> bool:
        """Whether the figures are the server's and not the generator's."""
        return not self.generator.faults

    def reaches(self, options: Options) -> float:
        """The upper end of the percentile's interval in ms, bursts allowed for."""
        drawn = self.replicates.get(percentile_name(options))
        return confidence.middle(floats(drawn), options.confidence)[1] if drawn else math.inf

    def holds(self, options: Options) -> bool:
        """Inside by the binomial criterion, and still so when overruns come in bursts."""
        inside = self.verdict.decision == Decision.INSIDE
        return inside and self.valid and self.reaches(options) <= options.budget_ms


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One try of the search; `outcomes` are counts by name."""

    rate: float
    decision: Decision
    p99: float | None
    requests: int
    overruns: int
    generator_limited: bool
    confirming: bool
    outcomes: dict[str, int]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The highest rate shown inside the budget and the lowest rate that was not.

    `limited_by_generator` when the search ended because the generator could not offer more: the
    server may well do more than `inside`. `reason` says why a search gave up early.
    """

    inside: float
    outside: float | None
    limited_by_generator: bool
    probes: list[Probe]
    reason: str = ""

    @property
    def failures(self) -> list[str]:
        """Why the search failed: beyond what a server can do only wrong answers are failures."""
        told = [
            f"{each} at {rates.shown(probe.rate)}/s"
            for probe in self.probes
            for each in failures.wrong(probe.outcomes)
        ]
        if not any(failures.right(probe.outcomes) for probe in self.probes):
            told.append("no right answer at any rate")
        return told


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the benchmark found. `models` is what the server's /models said afterwards, `sent` what
    flowed in meanwhile."""

    kind: str
    options: Options
    machine: Machine
    started: int
    headline: str
    runs: list[Run]
    models: Any = None
    search: Found | None = None
    sent: Sent | None = None

    @property
    def failures(self) -> list[str]:
        """Why the benchmark failed; empty where it did not."""
        searched = self.search.failures if self.search else []
        return [*(each for run in self.runs for each in run.failures), *searched]

    @property
    def valid(self) -> bool:
        """Whether no run was limited by the generator."""
        return all(run.valid for run in self.runs)


def make(options: Options, runs: list[Run], models: Any, search: Found | None = None) -> Result:
    """A result with this machine's facts."""
    return Result(
        kind=LATENCY,
        options=options,
        machine=facts(),
        started=runs[0].started if runs else time.time_ns() // 1_000_000,
        headline=headline(options, runs, search),
        runs=runs,
        models=models,
        search=search,
    )


def headline(options: Options, runs: list[Run], search: Found | None) -> str:
    """The result in a sentence or two."""
    parts = [_sentence(options, runs[-1])] if runs else []
    if search:
        least = "at least " if search.limited_by_generator else ""
        rate = f"{rates.shown(search.inside)}/s" if search.inside else "none"
        name = percentile_name(options)
        parts.append(f"Highest rate with {name} inside the budget: {least}{rate}.")
        if search.reason:
            parts.append(f"The search gave up: {search.reason}.")
    return " ".join(parts)


def percentile_name(options: Options) -> str:
    """The percentile that is judged, as in `Run.latency`."""
    return f"p{options.percentile * 100:g}"


def _sentence(options: Options, run: Run) -> str:
    name = percentile_name(options)
    value = run.latency.get(name)
    measured = f"{name} without a right answer" if value is None else f"{name} {value:.3g} ms"
    measured = measured if run.answered else "no right answer"
    sure = f"{options.confidence * 100:g} % sure"
    against = {
        Decision.INSIDE: f"inside {options.budget_ms:g} ms, {sure}",
        Decision.OUTSIDE: f"not inside {options.budget_ms:g} ms, {sure}",
        Decision.UNDECIDED: f"too few requests to say whether inside {options.budget_ms:g} ms",
    }[run.verdict.decision]
    reaches = run.reaches(options)
    if run.verdict.decision == Decision.INSIDE and reaches > options.budget_ms:
        against += f" if requests were independent; bursts allowed for, {name} may be"
        up_to = f"up to {reaches:.3g} ms" if math.isfinite(reaches) else "without a right answer"
        against += f" {up_to}"
    invalid = "" if run.valid else " INVALID: the load generator was the bottleneck."
    failed = f" FAILED: {'; '.join(run.failures)}." if run.failures else ""
    return f"{measured} at {rates.shown(run.rate)} requests/s: {against}.{invalid}{failed}"
