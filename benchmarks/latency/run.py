"""Latency of an endpoint under open-loop Poisson load, and what may be said of it.

The method is MLPerf Inference's Server scenario: Poisson arrivals, latency from the scheduled
time, a percentile against a bound, and a verdict by the binomial early-stopping criterion.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from benchmarks.latency import confidence, observe, results
from benchmarks.latency.confidence import PERCENTILES, percentiles
from benchmarks.latency.figures import OVER, Figure, figure
from benchmarks.latency.results import Generator, Moment, Options, Result, Run, Verdict
from benchmarks.load import bodies as bodies_
from benchmarks.load.answers import GOOD, Outcome
from benchmarks.load.offer import offer
from benchmarks.load.plan import Facts, Look, Plan, Record, Swap

LATE_SHARE = 0.1
"""The generator's own p99 lateness may be this share of the budget before a run is invalid."""

BUSY = 0.9
"""A generator that uses more than this share of its core cannot keep a schedule."""


def run(options: Options, bodies: Sequence[bytes] | None = None) -> Result:
    """Measure `options.repeats` runs at `options.rate`, each with its own seed.

    Raises LoadError where nothing answers, ValueError where there is no body to send.
    """
    bodies = bodies_for(options) if bodies is None else bodies
    count = round(options.rate * options.seconds)
    if count < 1:
        raise ValueError(f"{options.rate:g}/s for {options.seconds:g} s is not one request")
    if options.percentile * 100 not in PERCENTILES:
        raise ValueError(f"percentile is {options.percentile}; expected 0.5, 0.9, 0.99 or 0.999")
    looks = confidence.plan_looks([count], options.percentile, options.confidence)
    runs = [
        one_run(options, bodies, options.rate, options.seed + repeat, looks)
        for repeat in range(options.repeats)
    ]
    return results.make(options, runs, observe.models(options.url))


def bodies_for(options: Options) -> list[bytes]:
    """From the file, or else from the domain's data set."""
    if options.body_file is not None:
        return bodies_.of_file(Path(options.body_file))
    return bodies_.of_domain(options.domain, at=options.at, start=options.start)


def one_run(
    options: Options, bodies: Sequence[bytes], rate: float, seed: int, looks: tuple[Look, ...],
    warmup_s: float | None = None,
) -> Run:  # fmt: skip
    """One run at one rate, ended early by the look that decides it."""
    started = time.time_ns() // 1_000_000
    warmup = options.warmup_s if warmup_s is None else warmup_s
    plan = Plan(
        url=options.url,
        rate=rate,
        warmup=round(rate * warmup),
        requests=looks[-1].requests,
        looks=looks,
        budget_ms=options.budget_ms,
        connections=options.connections,
        max_connections=options.max_connections,
        drain_s=options.drain_s,
        seed=seed,
        zipf=options.zipf,
        tag=f"bench-{started:x}-{seed}-",
        check=options.check,
    )
    before = observe.stage_buckets(observe.read_text(options.url, "/metrics"))
    psutil.cpu_percent()
    record, facts = offer(plan, list(bodies))
    busy = psutil.cpu_percent()
    after = observe.stage_buckets(observe.read_text(options.url, "/metrics"))
    return summarise(options, plan, record, facts, observe.stages(before, after), busy / 100)


def summarise(
    options: Options, plan: Plan, record: Record, facts: Facts,
    stages: dict[str, observe.Stage], busy: float,
) -> Run:  # fmt: skip
    """The figures of a record; the first `plan.warmup` requests are told apart."""
    warm, measured = record.part(0, plan.warmup), record.part(plan.warmup)
    good = np.isin(measured.outcome, GOOD)
    latency = np.where(good, _latency(measured), np.inf)
    late = latency > options.budget_ms
    seconds = measured.intended / 1e9
    kept = confidence.histogram(latency)
    drawn = confidence.replicates(latency, seconds, confidence.DRAWS, plan.seed)
    shares = confidence.shares(late, seconds, confidence.DRAWS, plan.seed)
    warmed = float(record.intended[plan.warmup - 1] / 1e9) if plan.warmup else 0.0
    span = float(seconds[-1]) - warmed
    return Run(
        seed=plan.seed,
        started=facts.started,
        rate=plan.rate,
        offered=len(seconds) / span,
        seconds=span,
        warmup=percentiles(_latency(warm)[np.isin(warm.outcome, GOOD)]),
        latency={name: figure(value) for name, value in percentiles(latency).items()},
        answered=percentiles(latency[good]),
        intervals=_intervals(kept, int((~good).sum()), drawn, options.confidence),
        outcomes=_outcomes(measured.outcome),
        over_budget=confidence.share(int(late.sum()), len(late), options.confidence),
        verdict=_verdict(options, plan, late, facts.decided),
        generator=_generator(options, measured, latency, facts),
        swaps=swaps(facts.versions, warmed),
        stages=stages,
        machine_busy=busy,
        timeline=_timeline(seconds, latency, good),
        histogram=kept.encode().decode(),
        replicates={
            f"p{p:g}": [figure(value) for value in column]
            for p, column in zip(PERCENTILES, drawn.T, strict=True)
        }
        | {OVER: [figure(value) for value in shares]},
    )


def swaps(versions: Sequence[Swap], warmed: float) -> list[Swap]:
    """New versions of models that had answered before, after the warm-up ended at `warmed`.

    `versions` are all that answered, each when it first did: the first of every arm is no swap.
    """
    seen, found = set[str](), []
    for each in versions:
        if each.model in seen and each.version and each.at > warmed:
            found.append(each)
        seen.add(each.model)
    return found


def _latency(record: Record) -> NDArray[np.float64]:
    """From the intended send time, ms; infinite where no answer came."""
    took = (record.done - record.intended) / 1e6
    return np.where(record.done < 0, np.inf, took)


def _intervals(
    kept: HdrHistogram, failed: int, drawn: NDArray[np.float64], level: float
) -> dict[str, tuple[Figure, Figure]]:
    found = {}
    for percentile, column in zip(PERCENTILES, drawn.T, strict=True):
        ends = confidence.interval(kept, failed, column, percentile, level)
        if ends is not None:
            found[f"p{percentile:g}"] = figure(ends[0]), figure(ends[1])
    return found


def _outcomes(outcome: NDArray[np.int8]) -> dict[str, int]:
    counts = np.bincount(outcome, minlength=len(Outcome))
    return {kind.name.lower(): int(counts[kind]) for kind in Outcome if counts[kind]}


def _verdict(options: Options, plan: Plan, late: NDArray[np.bool_], decided: int) -> Verdict:
    """By the look that ended the run, or the last of them."""
    number = next((i for i, look in enumerate(plan.looks) if look.requests == decided), -1)
    look = plan.looks[number]
    overruns = int(late[: look.requests].sum())
    return Verdict(
        decision=confidence.decide(overruns, look),
        overruns=overruns,
        requests=look.requests,
        allowed=look.inside,
        needed=confidence.needed(overruns, options.percentile, options.confidence),
        looks=number + 1 if number >= 0 else len(plan.looks),
    )


def _generator(
    options: Options, record: Record, latency: NDArray[np.float64], facts: Facts
) -> Generator:
    written = record.written >= 0
    late = (record.reached - record.intended) / 1e6
    waited = (record.written - record.reached)[written] / 1e6
    late_p99 = float(np.percentile(late, 99))
    faults = []
    if late_p99 > LATE_SHARE * options.budget_ms:
        faults.append(
            f"it came to its requests late: p99 {late_p99:.1f} ms, more than "
            f"{LATE_SHARE:.0%} of the budget"
        )
    if facts.cpu > BUSY:
        faults.append(f"it used {facts.cpu:.0%} of its core")
    return Generator(
        late=percentiles(late),
        waited=percentiles(waited),
        cpu=round(facts.cpu, 3),
        connections=facts.opened,
        retried=facts.retried,
        faults=faults,
        overruns=int((latency - late > options.budget_ms).sum()),
        remarks=_remarks(late_p99, latency, waited),
    )


def _remarks(
    late_p99: float, latency: NDArray[np.float64], waited: NDArray[np.float64]
) -> list[str]:
    remarks = []
    if late_p99 > np.percentile(latency, 99, method="lower") / 2:
        remarks.append(
            f"more than half of the p99 may be the generator's own lateness ({late_p99:.2f} ms)"
        )
    if len(waited) and np.percentile(waited, 99) > 1:
        remarks.append("requests waited for a free connection; that counts against the server")
    return remarks


def _timeline(
    seconds: NDArray[np.float64], latency: NDArray[np.float64], good: NDArray[np.bool_]
) -> list[Moment]:
    """At most 240 slices of at least a tenth of a second and about 100 requests."""
    span = float(seconds[-1] - seconds[0])
    length = max(0.1, span / 240, 100 * span / len(seconds))
    slot = ((seconds - seconds[0]) / length).astype(np.int64)
    moments = []
    for chosen in np.split(np.arange(len(slot)), np.flatnonzero(np.diff(slot)) + 1):
        values = latency[chosen][good[chosen]]
        at = float(seconds[0] + slot[chosen[0]] * length)
        p50, p99, top = np.percentile(values, [50, 99, 100]) if len(values) else (0.0, 0.0, 0.0)
        failed = int((~good[chosen]).sum())
        moments.append(
            Moment(round(at, 3), float(p50), float(p99), float(top), len(chosen), failed)
        )
    return moments
