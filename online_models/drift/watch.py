"""Columns of a stream against a reference that the stream itself has given.

Warm-up, reference, then watching. When an alarm opens, a second reference is begun beside; if the
alarm is still open once that is complete, the stream has settled on something new: the new
reference replaces the old one and the alarms close. So a change alarms once and not for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from online_models.drift.alarms import Alarms, Record
from online_models.drift.blocks import segments
from online_models.drift.budget import Budget
from online_models.drift.columns import Column
from online_models.drift.monitor import Moment, Monitor
from online_models.drift.reference import Reference, Sampled, Slices
from online_models.drift.weighing import Weights

PATIENCE = 1.5
"""Blocks by count that an alarm stays open at least: while one fills nothing can be found by it,
however many blocks by time go by."""

Times = NDArray[np.int64]
Values = NDArray[np.float64]


class Evaluates(Protocol):
    """Compares what comes with a reference."""

    def add(
        self, times: Times, values: Values, slices: Sequence[Slices], weights: Weights = None
    ) -> list[Moment]:
        """Takes records in; one moment for every evaluation."""
        ...


class Watch:
    """Watches columns; its whole state can be pickled and goes on as if never stopped.

    What it gives depends on the records and their order, not on how they are cut into batches.
    """

    def __init__(self, domain: str, columns: Sequence[Column], budget: Budget, seed: int) -> None:
        drift = budget.drift
        self.alarms = Alarms(domain, calm=drift.calm * drift.block)
        self._columns, self._budget, self._seed = tuple(columns), budget, seed
        self._newest = -(2**63)
        self._monitor: Evaluates | None = None
        self._next: Reference | None = None

    @property
    def ready(self) -> bool:
        """Whether the reference is complete."""
        return self._monitor is not None

    def take(
        self, times: Times, values: Values, slices: Sequence[Slices], weights: Weights = None
    ) -> list[Record]:
        """Takes records [n] and [n, columns] in; gives what became of alarms (`alarm.avsc`)."""
        moments = self.moments(times, values, slices, weights)
        return [record for moment in moments for record in self.tell(moment)]

    def tell(self, moment: Moment) -> list[Record]:
        """What becomes of the alarms after an evaluation."""
        if moment.replaced:
            return self.alarms.close(moment.time)
        told = self.alarms.take(moment.time, moment.findings)
        if self.alarms.open and self._next is None:
            self._begin(moment.time)
        return told

    def moments(
        self, times: Times, values: Values, slices: Sequence[Slices], weights: Weights = None
    ) -> Iterator[Moment]:
        """Every evaluation in its turn; each has to go through `tell` before the next is asked."""
        block = self._budget.drift.block
        for first, last, reached in segments(times, self._newest, block):
            part = slice(first, last)
            yield from self._turn(first, max(self._newest, int(times[first])))
            own = None if weights is None else weights[part]
            for moment in self._add(times[part], values[part], slices[part], own):
                yield moment._replace(at=first + moment.at)
            self._newest = reached

    def _turn(self, at: int, now: int) -> Iterator[Moment]:
        """Before the first record of a block: is a reference complete?"""
        if self._monitor is None and self._next is None:
            self._begin(now + self._budget.drift.warm_up)
        collecting = self._next
        if collecting is None:
            return
        collecting.turn(now)
        if now < collecting.end:
            return
        sampled = collecting.sampled()
        if sampled is None:
            collecting.prolong()
        elif self._monitor is None:
            self._adopt(sampled)
        else:
            lasting = any(a.record["opened"] <= collecting.start for a in self.alarms.open.values())
            self._next = None
            if lasting:
                self._adopt(sampled)
                yield Moment(at, now, [], replaced=True)
            elif self.alarms.open:
                self._begin(now)

    def _adopt(self, sampled: Sampled) -> None:
        self._monitor, self._next = self._monitored(sampled), None
        self.alarms.calm = max(self.alarms.calm, round(PATIENCE * sampled.every))

    def _monitored(self, sampled: Sampled) -> Evaluates:
        return Monitor(sampled, self._budget)

    def _begin(self, time: int) -> None:
        """Collects a reference from the block after the one that `time` is in."""
        block = self._budget.drift.block
        start = (time // block + 1) * block
        self._next = Reference(self._budget.drift, self._columns, start, self._seed)

    def _add(
        self, times: Times, values: Values, slices: Sequence[Slices], weights: Weights
    ) -> Iterator[Moment]:
        """Records within one block of event time."""
        if self._next is not None and times.max(initial=self._newest) >= self._next.start:
            self._next.add(times, values, slices, weights)
        if self._monitor is not None:
            yield from self._monitor.add(times, values, slices, weights)
