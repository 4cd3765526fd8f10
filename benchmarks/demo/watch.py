"""What the person sees while a demo runs: bars and numbers, or now and then a line in a file."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from benchmarks.demo.expected import Expected
from benchmarks.demo.following import SERVED, Follower
from benchmarks.demo.replay import Replayed
from infra.terminal import utc
from schemas.declare import Domain

LINE_EVERY = 5.0
"""Seconds between two lines where the output is no terminal."""

_RECENT = 2_000
_RATE_OVER = 5.0


@dataclass
class Watch:
    """Where the run from `first` to `last` (ms of event time) stands; renders itself."""

    domain: Domain
    first: int
    last: int
    follower: Follower
    done: Replayed = field(init=False)
    phase: str = "replaying"
    _marks: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=1_000))
    _told: float = field(default_factory=time.monotonic)
    _told_phase: str = ""

    def __post_init__(self) -> None:
        self.done = Replayed(Expected(self.domain.label))

    def mark(self, done: Replayed) -> None:
        """Notes where the replay stands."""
        self.done = done
        self._marks.append((time.monotonic(), self.events, done.answers))

    def tell_line(self, console: Console) -> None:
        """Prints a line, where it is time for one or another phase has begun."""
        if time.monotonic() - self._told >= LINE_EVERY or self.phase != self._told_phase:
            self._told, self._told_phase = time.monotonic(), self.phase
            console.print(self.line(), highlight=False)

    @property
    def events(self) -> int:
        """Events that were produced."""
        return sum(self.done.records[event.name] for event in self.domain.events)

    def line(self) -> str:
        """All of it in one line."""
        events, answers = self._rates()
        p50, p99 = self._latency()
        return (
            f"{self.phase} {self._share():4.0%} {self._at()}: {self.events:,} events "
            f"({events:,.0f}/s), {self.done.answers:,} predictions ({answers:,.0f}/s), "
            f"{self.follower.seen[SERVED]:,} examples, AUC {self.follower.auc(SERVED):.3f}, "
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        )

    def __rich__(self) -> RenderableType:
        """Bars and numbers."""
        bars = Table.grid(padding=(0, 1))
        bars.add_row(self.phase, _bar(self._share()), self._at())
        known, learned = self.done.expected.known, self.follower.seen[SERVED]
        told = f"{learned:,} of {known:,} questions whose outcome is known"
        bars.add_row("learning", _bar(learned / max(1, known)), told)
        return Group(bars, self._numbers())

    def _share(self) -> float:
        return min(1.0, max(0.0, (self.done.time - self.first) / max(1, self.last - self.first)))

    def _at(self) -> str:
        return utc(self.done.time or self.first)

    def _numbers(self) -> Table:
        events, answers = self._rates()
        p50, p99 = self._latency()
        auc = {who: self.follower.auc(who) for who in list(self.follower.seen)}
        others = "  ".join(f"{who} {value:.3f}" for who, value in auc.items() if who != SERVED)
        table = Table(box=None, padding=(0, 2), show_header=False)
        table.add_row("events", f"{self.events:,}", f"{events:,.0f}/s")
        table.add_row("predictions", f"{self.done.answers:,}", f"{answers:,.0f}/s")
        table.add_row("AUC", f"{auc.get(SERVED, np.nan):.3f}", f"served; learners: {others}")
        table.add_row("latency", f"p50 {p50:.1f} ms", f"p99 {p99:.1f} ms")
        table.add_row("model", self.domain.served, f"version {self.follower.version:,}")
        return table

    def _rates(self) -> tuple[float, float]:
        now = time.monotonic()
        recent = [mark for mark in tuple(self._marks) if mark[0] > now - _RATE_OVER]
        if len(recent) < 2:
            return 0.0, 0.0
        (t, events, answers), (u, more, further) = recent[0], recent[-1]
        return (more - events) / (u - t), (further - answers) / (u - t)

    def _latency(self) -> tuple[float, float]:
        recent = self.done.latencies[-_RECENT:]
        if not recent:
            return np.nan, np.nan
        p50, p99 = np.percentile(recent, (50, 99)) * 1_000
        return float(p50), float(p99)


def _bar(share: float) -> ProgressBar:
    return ProgressBar(1.0, min(1.0, share), width=40)
