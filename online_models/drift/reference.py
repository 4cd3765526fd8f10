"""Collects the reference: a reservoir that keeps its share of every block of event time.

The reservoir is `online_models.samples.reservoirs.Stratified`: one uniform sample a block, so that
the thresholds can be learned from how much whole blocks differ, however busy they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from online_models.drift.cells import Cells, Counts, cells_of, counted
from online_models.drift.columns import Column
from online_models.samples.reservoirs import Stratified
from schemas.declare import Drift

KEPT = 1_024
"""Records of a block that the reservoir keeps."""

MOST_BLOCKS = 10_000

Slices = tuple[tuple[str, str], ...]
Item = tuple[int, int, tuple[float, ...], Slices]
"""A record's number, block, values and slices."""


class Sampled(NamedTuple):
    """What was collected: cells, blocks by time and by count [blocks, columns, CELLS], rows."""

    cells: Cells
    by_time: Counts
    by_count: Counts
    codes: NDArray[np.uint8]
    slices: list[Slices]
    every: float


class Reference:
    """Takes every record from `start` to `end` (ms of event time)."""

    def __init__(self, drift: Drift, columns: Sequence[Column], start: int, seed: int) -> None:
        self._drift, self._columns = drift, tuple(columns)
        self.start, self.end = start, start + drift.reference
        self._seen = 0
        self._kept: Stratified[Item] = Stratified(KEPT, seed, limit=MOST_BLOCKS)

    def add(
        self, times: NDArray[np.int64], values: NDArray[np.float64], slices: Sequence[Slices]
    ) -> None:
        """Offers records in the order of the stream."""
        blocks = (times // self._drift.block).tolist()
        numbers = range(self._seen, self._seen + len(times))
        items = list(zip(numbers, blocks, map(tuple, values.tolist()), slices, strict=True))
        self._kept.extend(items, [f"{block:012d}" for block in blocks])
        self._seen += len(times)

    def prolong(self) -> None:
        """Goes on for as long again: too little came."""
        self.end += self._drift.reference

    def sampled(self) -> Sampled | None:
        """The reference; None where it has not three long windows of blocks of either kind."""
        items = sorted(self._kept.items, key=lambda item: item[0])
        if not items:
            return None
        values = np.array([item[2] for item in items], np.float64)
        cells = cells_of(self._columns, values)
        codes = cells.codes(values)
        blocks = np.array([item[1] for item in items])
        packets = np.array([item[0] for item in items]) // self._drift.records
        by_time, by_count = _split(codes, blocks), _split(codes, packets)
        if min(len(by_time), len(by_count)) < 3 * self._drift.long:
            return None
        every = (self.end - self.start) / max(1.0, self._seen / self._drift.records)
        return Sampled(cells, by_time, by_count, codes, [item[3] for item in items], every)


def _split(codes: NDArray[np.uint8], numbers: NDArray[np.int64]) -> Counts:
    """Counts of each whole block; the first and the last may be cut and are left out."""
    found = np.unique(numbers)[1:-1]
    return np.array([counted(codes[numbers == number]) for number in found])
