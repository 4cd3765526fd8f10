"""What learners made of trees see: numbers as they are, and of each bucket its rate of positives.

The rate of a bucket (target encoding; Micci-Barreca, *A Preprocessing Scheme for High-Cardinality
Categorical Attributes*, 2001) is taken before the example itself is counted, so that no example
sees its own label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from online_models.export.graph import Graph
from online_models.export.parts import bucket_values
from online_models.learners.buckets import Buckets
from online_models.learners.encoding import Inputs
from online_models.learners.options import PRIOR_STRENGTH

F8 = NDArray[np.float64]

HUGE = 1e30
"""Larger numbers are taken for unknown, as scikit-learn grows its trees in single precision."""


class Row(NamedTuple):
    """Numbers [numerics + categories], NaN where unknown, and the places of the buckets."""

    numbers: F8
    places: NDArray[np.int64]


class Rates:
    """Counts of every bucket, each starting as `PRIOR_STRENGTH` examples of the prior."""

    def __init__(self, seen: Inputs, prior: float) -> None:
        self.inputs = seen
        self._buckets = Buckets(seen)
        self._prior = prior
        self._positives = np.full(self._buckets.end, prior * PRIOR_STRENGTH)
        self._totals = np.full(self._buckets.end, PRIOR_STRENGTH)

    def row(self, vector: Sequence[float]) -> Row:
        """What trees see of a vector; raises ValueError on a wrong length."""
        self.inputs.check(vector)
        whole = np.array(vector, dtype=np.float64)
        numbers = whole[: len(self.inputs.numerics)]
        places = self._buckets.places(whole)
        known = np.where(np.abs(numbers) <= HUGE, numbers, np.nan)
        return Row(np.concatenate([known, self._positives[places] / self._totals[places]]), places)

    def learn(self, row: Row, positive: bool, weight: float) -> None:
        """Counts an example in its buckets; a bucket outside its category stays at the prior."""
        places = row.places[row.places != self._buckets.none]
        self._totals[places] += weight
        if positive:
            self._positives[places] += weight

    def export(self, graph: Graph) -> str:
        """The numbers [n, numerics + categories] of the graph's vectors."""
        clean, _ = graph.cleaned(self.inputs.first_category)
        numbers = graph.known(range(len(self.inputs.numerics)), HUGE)
        if not self.inputs.categories:
            return numbers
        tables = self._buckets.tables(self._positives / self._totals)
        first = self.inputs.first_category
        looked_up = bucket_values(graph, clean, first, tables, self._prior)
        return graph.add("Concat", numbers, looked_up, axis=1)
