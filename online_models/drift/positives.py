"""What positives score: do they score lower than they did? Then other questions are positive.

Where positives are rare their loss is lost in the mean of all, and every column of theirs moves
with each campaign. But a model that has learned what positives look like gives the new ones little
more than the rest: one column, one test, one direction, so little of the budget is needed. Found is
only what falls among negatives too: where all questions score lower, that is covariate drift, which
the inputs show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from online_models.drift.alarms import Record
from online_models.drift.blocks import CountBlocks
from online_models.drift.budget import Budget
from online_models.drift.columns import Column
from online_models.drift.findings import Finding
from online_models.drift.monitor import Moment, Series
from online_models.drift.packets import Answer
from online_models.drift.recent import Recent
from online_models.drift.reference import Sampled, Slices
from online_models.drift.statistics import Values, superiority
from online_models.drift.watch import Evaluates, Watch
from online_models.drift.weighing import Weights

COLUMNS = (Column("score", "positives"), Column("score", "rank"))
"""The served score of positives, tested; and the share of negatives that score lower, half of those
that score the same."""
RECORDS, LENGTH = 5, 4
"""A window is so many blocks of so many positives: ten days of payments."""
MOST_BLOCKS = 96
"""A longer reference has larger blocks: one window is a 24th of it at least."""
NEGATIVES = 50
"""The newest of them, by weight, that a positive is ranked among: few beside a window, to move when
it does."""
ALONE = 0.5
"""At least so far as in score must positives have fallen among negatives."""


class PositivesWatch:
    """Watches positives; its whole state can be pickled and goes on as if never stopped."""

    def __init__(self, domain: str, budget: Budget, seed: int) -> None:
        self.watch = _Scores(domain, budget, seed)
        self._negatives: deque[tuple[float, float]] = deque(maxlen=NEGATIVES)

    def take(self, answers: Sequence[Answer]) -> list[Record]:
        """Takes answers in the order of the stream; gives what became of alarms."""
        positives, ranks = [], []
        for answer in answers:
            if answer.label:
                positives.append(answer)
                ranks.append(self._rank(answer.probability))
            else:
                self._negatives.append((answer.probability, answer.weight))
        times = np.array([answer.time for answer in positives], np.int64)
        values = np.column_stack([[answer.probability for answer in positives], ranks])
        weights = np.array([answer.weight for answer in positives])
        return self.watch.take(times, values, [answer.slices for answer in positives], weights)

    def _rank(self, probability: float) -> float:
        if not self._negatives:
            return np.nan
        scores, weights = np.array(self._negatives).T
        return float(np.average(np.sign(probability - scores) + 1, weights=weights)) / 2


class _Scores(Watch):
    """`COLUMNS` of the positives, in blocks of RECORDS."""

    def __init__(self, domain: str, budget: Budget, seed: int) -> None:
        drift = replace(budget.drift, records=RECORDS, short=LENGTH, long=LENGTH)
        super().__init__(domain, COLUMNS, replace(budget, drift=drift), seed)

    def _monitored(self, sampled: Sampled) -> Evaluates:
        return Falls(sampled, self._budget)


class Falls:
    """Tests whether the newest window of positives scores lower than the reference."""

    def __init__(self, sampled: Sampled, budget: Budget) -> None:
        together = max(1, len(sampled.by_count) // MOST_BLOCKS)
        records, number = together * sampled.records, len(sampled.by_count) // together
        blocks = sampled.by_count[: number * together]
        blocks = blocks.reshape(number, together, *blocks.shape[1:]).sum(1)
        self._cells, self._by_count = sampled.cells, CountBlocks(records)
        self._series = Series(
            sampled.cells, blocks, (LENGTH,), budget.positives_alpha(sampled.every * together),
            f"{records} positives", {"lower": np.array([True, False])},
        )  # fmt: skip
        self._recent = Recent(sampled.cells, sampled.codes, sampled.slices)

    def add(
        self,
        times: NDArray[np.int64],
        values: Values,
        slices: Sequence[Slices],
        weights: Weights = None,
    ) -> list[Moment]:
        """Takes positives in; one moment for every block that became full."""
        codes, out, seen = self._cells.codes(values), [], 0
        for block in self._by_count.add(times, codes, weights):
            self._recent.add(codes[seen : block.at + 1], slices[seen : block.at + 1])
            seen = block.at + 1
            time = block.end - 1
            found = [self._told(f) for f in self._series.evaluate(block, time) if self._alone()]
            out.append(Moment(block.at, time, found))
        self._recent.add(codes[seen:], slices[seen:])
        return out

    def _told(self, finding: Finding) -> Finding:
        size = LENGTH * self._by_count.size
        return replace(self._recent.placed(finding, size), kind="concept", direction="down")

    def _alone(self) -> bool:
        """Whether positives have fallen among negatives in the newest window, not with them."""
        score, rank = superiority(self._series.window(LENGTH), self._series.reference)
        return bool(rank <= ALONE * score)
