"""The result of the drift benchmark as it stands in JSON, beside its budget and another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.comparison import Change, Comparison, Estimate, ratio, unlike
from benchmarks.drift.detectors import HEADRACE
from benchmarks.drift.tally import Tally
from benchmarks.latency.confidence import share
from benchmarks.machine import Machine
from benchmarks.storing import save

DRIFT = "drift"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How many quiet streams of a kind, and the first seeds of quiet and of planted ones."""

    seeds: int
    first_quiet: int
    first_planted: int


class Rate(NamedTuple):
    """False alarms per 30 days of a quiet case, with the interval of 95 %."""

    case: str
    detector: str
    per_30_days: float
    low: float
    high: float


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted of every detector on every case."""

    kind: str
    options: Options
    machine: Machine
    rates: list[Rate]
    tallies: list[Tally]


def keep(path: Path, options: Options, machine: Machine, tallies: Sequence[Tally]) -> None:
    """Writes the tallies to a file of JSON."""
    rates = [Rate(t.case, t.detector, t.rate, *t.interval()) for t in tallies if not t.planted]
    result = Drift(kind=DRIFT, options=options, machine=machine, rates=rates, tallies=list(tallies))
    save(result, path)


def misses(tallies: Sequence[Tally]) -> list[str]:
    """Quiet cases in which Headrace fired more often than its budget, beyond chance."""
    return [
        f"{t.case}: {t.rate:.2f} false alarms per 30 days, {low:.2f} at least; budget {t.budget:g}"
        for t in tallies
        if t.detector == HEADRACE and not t.planted and (low := t.interval()[0]) > t.budget
    ]


def compare(a: Drift, b: Drift, confidence: float = 0.99) -> Comparison:
    """What changed in Headrace's false alarms and in what it found.

    Raises ValueError where the two have no case in common.
    """
    first, second = ({t.case: t for t in of.tallies if t.detector == HEADRACE} for of in (a, b))
    pairs = [(first[case], second[case]) for case in first if case in second]
    if not pairs:
        raise ValueError("the two results have no case in common")
    level = 1 - (1 - confidence) / len(pairs)  # Bonferroni: all are judged together
    return Comparison(
        method=f"exact intervals of Poisson rates and of shares, {confidence * 100:g} %",
        unlike=unlike(a, b, ("seeds",)),
        changes=[_change(*pair, level) for pair in pairs],
        notes=[
            "streams of the same seeds are judged as if they were others: small changes go unseen"
        ],
    )


def _change(a: Tally, b: Tally, level: float) -> Change:
    if a.planted:
        return ratio(f"{a.case}: share found", _found(a, level), _found(b, level))
    rates = (Estimate(t.rate, *t.interval(level)) for t in (a, b))
    return ratio(f"{a.case}: false alarms per 30 days", *rates)


def _found(tally: Tally, level: float) -> Estimate:
    found = share(tally.found, tally.runs, level)
    return Estimate(found.value, found.low, found.high)
