"""Collects the reference: a reservoir that keeps its share of every block of event time.

The reservoir is `online_models.samples.reservoirs.Stratified`: one uniform sample a block. Blocks
are counted from it at the end, when cells are known. Of a stream too busy for that, it gives the
cells after the first long window; from then on, for a whole reference, blocks are counted as
they come: how much they differ is learned from blocks as full as a window's will be.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from online_models.drift.blocks import CountBlocks, TimeBlocks
from online_models.drift.cells import Cells, Counts, cells_of
from online_models.drift.columns import Column
from online_models.drift.weighing import Weights, planes
from online_models.samples.reservoirs import Stratified
from schemas.declare import Drift

KEPT = 1_024
"""Records of a block that the reservoir keeps."""

BUSY = 2
"""Times as many in the mean block are too many to count blocks from what was kept."""

MOST_PACKETS = 1_000
"""Blocks by count that a busy reference is cut into: each has so many records as that takes."""

MOST_BLOCKS = 10_000

Slices = tuple[tuple[str, str], ...]


def slices_of(record: Mapping[str, Any]) -> Slices:
    """The slices of a prediction, an example or a score."""
    return tuple(sorted(record.get("slices", {}).items()))


Item = tuple[int, int, tuple[float, ...], Slices, float]
"""A record's number, block, values, slices and weight."""


class Sampled(NamedTuple):
    """What was collected: cells, blocks by time and by count (`planes` of each), rows.

    Blocks by count are of so many `records`, `every` so many ms.
    """

    cells: Cells
    by_time: Counts
    by_count: Counts
    records: int
    codes: NDArray[np.uint8]
    slices: list[Slices]
    every: float


class Counting:
    """Counts blocks as they come, from `start` on, the beginning of a block."""

    def __init__(self, cells: Cells, drift: Drift, start: int, records: int) -> None:
        self.cells, self.records, self._start = cells, records, start
        self.by_time: list[Counts] = []
        self.by_count: list[Counts] = []
        self._time = TimeBlocks(drift.block, drift.late, newest=start)
        self._count = CountBlocks(records)

    def add(self, times: NDArray[np.int64], values: NDArray[np.float64], weights: Weights) -> None:
        """Takes records in."""
        codes = self.cells.codes(values)
        whole = [
            block for block in self._time.add(times, codes, weights) if block.start >= self._start
        ]
        self.by_time += [block.counts for block in whole]
        self.by_count += [block.counts for block in self._count.add(times, codes, weights)]


class Reference:
    """Takes every record from `start` to `end` (ms of event time)."""

    def __init__(self, drift: Drift, columns: Sequence[Column], start: int, seed: int) -> None:
        self._drift, self._columns = drift, tuple(columns)
        self.start, self.end = start, start + drift.reference
        self._seen = 0
        self._weighted = False
        self._counting: Counting | None = None
        self._kept: Stratified[Item] = Stratified(KEPT, seed, limit=MOST_BLOCKS)

    def add(
        self,
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        slices: Sequence[Slices],
        weights: Weights = None,
    ) -> None:
        """Offers records in the order of the stream."""
        if self._counting is not None:
            self._counting.add(times, values, weights)
            self._seen += len(times)
            return
        blocks = (times // self._drift.block).tolist()
        numbers = range(self._seen, self._seen + len(times))
        self._weighted = weights is not None
        each = itertools.repeat(1.0, len(times)) if weights is None else weights.tolist()
        rows = map(tuple, values.tolist())
        items = list(zip(numbers, blocks, rows, slices, each, strict=True))
        self._kept.extend(items, [f"{block:012d}" for block in blocks])
        self._seen += len(times)

    def turn(self, now: int) -> None:
        """Before the first record of a block, at `now`: is the stream too busy to be held?"""
        drift = self._drift
        blocks = (now - self.start) / drift.block
        if self._counting is None and blocks >= drift.long and self._seen > BUSY * KEPT * blocks:
            expected = self._seen / blocks * drift.reference / drift.block
            records = max(drift.records, round(expected / MOST_PACKETS))
            cells = cells_of(self._columns, np.array([item[2] for item in self._kept.items]))
            start = now // drift.block * drift.block
            self._counting = Counting(cells, drift, start, records)
            self.end = start + drift.reference

    def prolong(self) -> None:
        """Goes on for as long again: too little came."""
        self.end += self._drift.reference

    def sampled(self) -> Sampled | None:
        """The reference; None where it has not three long windows of blocks of either kind."""
        items = sorted(self._kept.items, key=lambda item: item[0])
        if not items:
            return None
        values = np.array([item[2] for item in items], np.float64)
        counting, records = self._counting, self._drift.records
        if counting is not None:
            cells, records = counting.cells, counting.records
            codes = cells.codes(values)
            by_time, by_count = np.array(counting.by_time), np.array(counting.by_count)
        else:
            cells = cells_of(self._columns, values)
            codes = cells.codes(values)
            weights = np.array([item[4] for item in items]) if self._weighted else None
            by_time = _split(codes, np.array([item[1] for item in items]), weights)
            by_count = _split(codes, np.array([item[0] for item in items]) // records, weights)
        if min(len(by_time), len(by_count)) < 3 * self._drift.long:
            return None
        every = (self.end - self.start) / max(1.0, self._seen / records)
        slices = [item[3] for item in items]
        return Sampled(cells, by_time, by_count, records, codes, slices, every)


def _split(codes: NDArray[np.uint8], numbers: NDArray[np.int64], weights: Weights) -> Counts:
    """Counts of each whole block; the first and the last may be cut and are left out."""
    found = np.unique(numbers)[1:-1]
    rows = [numbers == number for number in found]
    return np.array([planes(codes[row], None if weights is None else weights[row]) for row in rows])
