"""Blocks of a stream: one by event time, one by count. A window is a run of blocks.

What a block holds is a function of the records alone, however they are cut into batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from online_models.drift.cells import Counts
from online_models.drift.weighing import Weights, planes

Times = NDArray[np.int64]
Codes = NDArray[np.uint8]


def segments(times: Times, newest: int, span: int) -> Iterator[tuple[int, int, int]]:
    """Cuts a batch where the newest event time reaches another block of `span` ms.

    Gives first place, place after the last, and the event time reached then.
    """
    if len(times):
        reached = np.maximum.accumulate(np.maximum(times, newest))
        cuts = [0, *(np.flatnonzero(np.diff(reached // span)) + 1).tolist(), len(times)]
        for first, last in itertools.pairwise(cuts):
            yield first, last, int(reached[last - 1])


class Block(NamedTuple):
    """Records with start <= time < end, counted; closed by the record at place `at` of a batch.

    `counts` are `online_models.drift.weighing.planes`.
    """

    at: int
    start: int
    end: int
    counts: Counts


@dataclass
class TimeBlocks:
    """Blocks of `span` ms of event time since the epoch; a record may come `late` ms late.

    What comes later yet is left out. Empty blocks are not given.
    """

    span: int
    late: int
    newest: int = -(2**63)
    open: dict[int, Counts] = field(default_factory=dict)

    def add(self, times: Times, codes: Codes, weights: Weights = None) -> list[Block]:
        """Takes records in; gives the blocks that no later record can belong to."""
        reached = np.maximum.accumulate(np.maximum(times, self.newest))
        closed = (reached - self.late) // self.span
        number = times // self.span
        before = (self.newest - self.late) // self.span
        kept = number >= np.concatenate([[before], closed[:-1]])
        for block in np.unique(number[kept]).tolist():
            mine = kept & (number == block)
            counts = planes(codes[mine], None if weights is None else weights[mine])
            held = self.open.get(block)
            self.open[block] = counts if held is None else held + counts
        self.newest = int(reached[-1])
        return list(self._close(closed))

    def _close(self, closed: Times) -> Iterator[Block]:
        for block in sorted(b for b in self.open if b < closed[-1]):
            at = int(np.searchsorted(closed, block, side="right"))
            yield Block(at, block * self.span, (block + 1) * self.span, self.open.pop(block))


@dataclass
class CountBlocks:
    """Blocks of `size` records in the order of the stream."""

    size: int
    held: int = 0
    start: int = 0
    end: int = 0
    counts: Counts | None = None

    def add(self, times: Times, codes: Codes, weights: Weights = None) -> list[Block]:
        """Takes records in; gives the blocks that are full."""
        out, first = [], 0
        while first < len(times):
            last = min(len(times), first + self.size - self.held)
            part = slice(first, last)
            own = None if weights is None else weights[part]
            self._fill(times[part], planes(codes[part], own))
            if self.held == self.size and self.counts is not None:
                out.append(Block(last - 1, self.start, self.end, self.counts))
                self.held, self.counts = 0, None
            first = last
        return out

    def _fill(self, times: Times, counts: Counts) -> None:
        if self.counts is None:
            self.start, self.end, self.counts = int(times.min()), 0, np.zeros_like(counts)
        self.start = min(self.start, int(times.min()))
        self.end = max(self.end, int(times.max()) + 1)
        self.counts = self.counts + counts
        self.held += len(times)
