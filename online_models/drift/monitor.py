"""Windows of many columns against one reference, evaluated whenever a block is full."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from online_models.drift.blocks import Block, CountBlocks, TimeBlocks
from online_models.drift.budget import Budget
from online_models.drift.calibration import Null, counted_in, measured, null
from online_models.drift.cells import UNKNOWN, Cells, Counts
from online_models.drift.columns import Test
from online_models.drift.findings import KINDS, Direction, Finding
from online_models.drift.recent import Recent
from online_models.drift.reference import Sampled, Slices
from online_models.drift.statistics import Values, superiority
from online_models.drift.weighing import Weighing, Weights
from schemas.declare import DAY, HOUR, MINUTE

FEWEST: Mapping[Test, int] = {"psi": 50, "ks": 50, "rate": 50, "lower": 5}
"""A window with fewer records, as weights make them count, is not tested. Of 20 positives some
seven count where half of all are stopped, and fewer where none of the usual pass any more."""
CLEAR = 0.1
"""Cliff's delta from which on a number has gone up or down; below, its shape has changed."""


class Moment(NamedTuple):
    """An evaluation: after which record of the batch, at which event time, what was found."""

    at: int
    time: int
    findings: list[Finding]
    replaced: bool = False


class Series:
    """The windows over one kind of blocks, with their nulls and thresholds.

    `tests` says which columns [columns] each test is made of; those that fit them when left out.
    """

    def __init__(
        self, cells: Cells, blocks: Counts, lengths: Sequence[int], alpha: float, unit: str,
        tests: Mapping[Test, NDArray[np.bool_]] | None = None,
    ) -> None:  # fmt: skip
        self.cells, self._unit = cells, unit
        self._weighing = Weighing.of(cells, blocks.sum(0))
        self.reference = self._weighing.effective(blocks.sum(0))
        self._recent: deque[Block] = deque(maxlen=max(lengths))
        self._fits = tests or _fitting(cells)
        self._nulls: dict[tuple[int, Test], Null] = {
            (length, test): null(test, cells, blocks, length, alpha)
            for length in sorted(set(lengths))
            for test in self._fits
        }

    def window(self, length: int) -> Counts:
        """The newest blocks, counted together as so many records as would be as sure."""
        planes = np.sum([block.counts for block in list(self._recent)[-length:]], axis=0)
        return self._weighing.effective(planes)

    def evaluate(self, block: Block, time: int) -> Iterator[Finding]:
        """What the windows that end with this block show."""
        self._recent.append(block)
        self._weighing.take(block.counts)
        for (length, test), learned in self._nulls.items():
            if len(self._recent) >= length:
                yield from self._test(length, test, learned, time)

    def _test(self, length: int, test: Test, learned: Null, time: int) -> Iterator[Finding]:
        blocks = list(self._recent)[-length:]
        window = self.window(length)
        found = measured(test, self.cells, window, self.reference)
        records = counted_in(test, window)
        threshold = learned.threshold(records)
        beyond = (found > threshold) & self._fits[test] & (records >= FEWEST[test])
        if not beyond.any():
            return
        p = learned.p(found, records)
        for i in np.flatnonzero(beyond).tolist():
            yield self._finding(i, test, blocks, window, time, found[i], threshold[i], p[i])

    def _finding(
        self, i: int, test: Test, blocks: list[Block], window: Counts, time: int,
        found: float, threshold: float, p: float,
    ) -> Finding:  # fmt: skip
        column, cells = self.cells.columns[i], self.cells
        return Finding(
            what=column.what,
            name=column.name,
            kind=KINDS[column.what],
            test=test,
            window=f"{len(blocks)} x {self._unit}",
            time=time,
            since=self._since(i, test, blocks),
            statistic=float(found),
            threshold=float(threshold),
            p=float(p),
            direction=_direction(column.scale, _moved(window[i], self.reference[i])),
            bins=cells.names(i),
            reference=cells.shares(i, cells.grouped(self.reference)),
            recent=cells.shares(i, cells.grouped(window)),
        )

    def _since(self, i: int, test: Test, blocks: list[Block]) -> int:
        """Start of the run of newest blocks that shows most: statistic (squared) times records."""
        best, since, planes = -1.0, blocks[-1].start, np.zeros_like(blocks[-1].counts)
        for block in reversed(blocks):
            planes = planes + block.counts
            counts = self._weighing.effective(planes)
            value = float(measured(test, self.cells, counts, self.reference)[i])
            shown = float(counts[i].sum()) * (value**2 if test == "ks" else value)
            if shown > best:
                best, since = shown, block.start
        return since


class Monitor:
    """Tests every column of `Sampled` in short and long windows, by event time and by count."""

    def __init__(self, sampled: Sampled, budget: Budget) -> None:
        drift, lengths = budget.drift, (budget.drift.short, budget.drift.long)
        what = sampled.cells.columns[0].what
        self.cells = sampled.cells
        self._by_time = TimeBlocks(drift.block, drift.late)
        self._by_count = CountBlocks(sampled.records)
        self._series = [
            Series(self.cells, sampled.by_time, lengths,
                   budget.window_alpha(what, drift.block), span_name(drift.block)),
            Series(self.cells, sampled.by_count, lengths,
                   budget.window_alpha(what, sampled.every), f"{sampled.records} records"),
        ]  # fmt: skip
        self._recent = Recent(self.cells, sampled.codes, sampled.slices)

    def add(
        self,
        times: NDArray[np.int64],
        values: Values,
        slices: Sequence[Slices],
        weights: Weights = None,
    ) -> list[Moment]:
        """Takes records in; one moment for every block that became full."""
        codes = self.cells.codes(values)
        newest = np.maximum.accumulate(np.maximum(times, self._by_time.newest))
        full = [(block.at, 0, block) for block in self._by_time.add(times, codes, weights)]
        full += [(block.at, 1, block) for block in self._by_count.add(times, codes, weights)]
        out, seen = [], 0
        for at, which, block in sorted(full, key=lambda each: each[:2]):
            self._recent.add(codes[seen : at + 1], slices[seen : at + 1])
            seen = max(seen, at + 1)
            time = int(newest[at])
            findings = list(self._series[which].evaluate(block, time))
            size = int(block.counts[0, 0].sum())
            out.append(Moment(at, time, [self._recent.placed(f, size) for f in findings]))
        self._recent.add(codes[seen:], slices[seen:])
        return out


def _fitting(cells: Cells) -> dict[Test, NDArray[np.bool_]]:
    tests = sorted({test for column in cells.columns for test in column.tests})
    return {t: np.array([t in c.tests for c in cells.columns]) for t in tests}


def _moved(window: Counts, reference: Counts) -> float:
    """Cliff's delta of one column; 0 of values that have become unknown: these moved nowhere."""
    known, before = (
        float(counts[:UNKNOWN].sum()) / max(1.0, float(counts.sum()))
        for counts in (window, reference)
    )
    share = min(1.0, known / before) if before else 0.0
    return share * float(superiority(window, reference))


def _direction(scale: str, delta: float) -> Direction:
    if scale == "category" or (scale == "number" and abs(delta) < CLEAR):
        return "shape"
    return "up" if delta > 0 else "down"


def span_name(span: int) -> str:
    """A span of ms in words."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if span % unit == 0:
            return name if span == unit else f"{span // unit} {name}s"
    return f"{span} ms"
