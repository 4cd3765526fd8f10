"""What is counted of a detector: false alarms per 30 days, and what was found how soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.table import Table
from scipy import stats

from benchmarks.drift.worlds import Stream
from schemas.declare import DAY

WITHIN = 45 * DAY
"""An alarm so soon after the drift has found it."""

Alarm = tuple[int, str]
"""Event time in ms, and the kind of drift, empty for a detector that tells none."""


@dataclass
class Tally:
    """One detector on one case; `days` are watched without drift, delays in days.

    `budget` are the false alarms that the case's streams declare per 30 days. `found` of a quiet
    case are the runs that would have been found, by chance; `concept` those with an alarm of that
    kind among those that find.
    """

    case: str
    detector: str
    runs: int = 0
    days: float = 0.0
    false: int = 0
    planted: int = 0
    found: int = 0
    right: int = 0
    concept: int = 0
    delays: list[float] = field(default_factory=list)
    budget: float = 1.0

    @property
    def rate(self) -> float:
        """False alarms per 30 days."""
        return 30 * self.false / self.days if self.days else float("nan")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Of the rate (Poisson, Garwood)."""
        if not self.days:
            return float("nan"), float("nan")
        tail = (1 - confidence) / 2
        low = stats.chi2.ppf(tail, 2 * self.false) / 2 if self.false else 0.0
        high = stats.chi2.ppf(1 - tail, 2 * self.false + 2) / 2
        return 30 * float(low) / self.days, 30 * float(high) / self.days

    def add(self, other: Tally) -> None:
        """Takes in other runs."""
        for name in ("runs", "days", "false", "planted", "found", "right", "concept"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays
        self.budget = other.budget

    def take(self, stream: Stream, alarms: Sequence[Alarm], begun: int) -> None:
        """Counts a run; `begun` is when the drift begins, or would."""
        since = int(stream.times[0]) + stream.drift.warm_up + stream.drift.reference
        end = int(stream.times[-1])
        after = [(t, kind) for t, kind in alarms if begun <= t < begun + WITHIN]
        self.budget = stream.drift.false_alarms * 30 * DAY / stream.drift.per
        self.runs += 1
        self.found += bool(after)
        self.concept += any(kind == "concept" for _, kind in after)
        if stream.planted is None:
            self.days += (end - since) / DAY
            self.false += sum(time >= since for time, _ in alarms)
            return
        self.planted += 1
        self.right += any(kind == stream.kind for _, kind in after)
        self.delays += [(min(after)[0] - begun) / DAY] if after else []


def table(tallies: Sequence[Tally]) -> Table:
    """The tallies for a person."""
    heads = ("case", "detector", "runs", "false / 30 days", "95 %", "found", "kind right",
             "told concept", "delay")  # fmt: skip
    out = Table(*heads)
    for t in tallies:
        low, high = t.interval()
        quiet, some = not t.planted, bool(t.delays)
        out.add_row(
            t.case, t.detector, str(t.runs), f"{t.rate:.2f}" if quiet else "",
            f"{low:.2f} to {high:.2f}" if quiet else "",
            f"{t.found}/{t.runs}{' by chance' * quiet}", "" if quiet else f"{t.right}/{t.planted}",
            f"{t.concept}/{t.runs}" if t.detector == "headrace" else "",
            f"{np.median(t.delays):.1f} d" if some else "",
        )  # fmt: skip
    return out
