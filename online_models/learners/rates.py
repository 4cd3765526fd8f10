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
from online_models.learners.encoding import Inputs

F8 = NDArray[np.float64]

HUGE = 1e30
"""Larger numbers are taken for unknown, as scikit-learn grows its trees in single precision."""


class Row(NamedTuple):
    """Numbers [numerics + categories], NaN where unknown, and the places of the buckets."""

    numbers: F8
    places: NDArray[np.int64]


class Rates:
    """Counts of every bucket, each starting as `strength` examples of the prior."""

    def __init__(self, seen: Inputs, prior: float, strength: float = 20.0) -> None:
        self.inputs = seen
        sizes = [buckets for _, buckets in seen.categories]
        self._sizes = np.array(sizes, np.float64)
        self._starts = np.cumsum([0, *sizes])[:-1].astype(np.int64)
        self._none = sum(sizes)  # where buckets outside their category are counted: nowhere
        self._prior = prior
        self._positives = np.full(self._none + 1, prior * strength)
        self._totals = np.full(self._none + 1, strength)

    def row(self, vector: Sequence[float]) -> Row:
        """What trees see of a vector; raises ValueError on a wrong length."""
        if len(vector) != self.inputs.width:
            raise ValueError(f"vector of {len(vector)}; expected {self.inputs.width} numbers")
        whole = np.array(vector, dtype=np.float64)
        numbers = whole[: len(self.inputs.numerics)]
        buckets = whole[self.inputs.first_category :]
        inside = (buckets > -1.0) & (buckets < self._sizes)
        places = np.where(inside, buckets, 0.0).astype(np.int64) + self._starts
        places = np.where(inside, places, self._none)
        known = np.where(np.abs(numbers) <= HUGE, numbers, np.nan)
        return Row(np.concatenate([known, self._rates(places)]), places)

    def learn(self, row: Row, positive: bool, weight: float) -> None:
        """Counts an example in its buckets; a bucket outside its category stays at the prior."""
        places = row.places[row.places != self._none]
        self._totals[places] += weight
        if positive:
            self._positives[places] += weight

    def export(self, graph: Graph) -> str:
        """The numbers [n, numerics + categories] of the graph's vectors."""
        clean, _ = graph.cleaned(self.inputs.first_category)
        numbers = graph.known(range(len(self.inputs.numerics)), HUGE)
        if not self.inputs.categories:
            return numbers
        rates = self._rates(np.arange(self._none))
        tables = [part.tolist() for part in np.split(rates, self._starts[1:])]
        first = self.inputs.first_category
        looked_up = bucket_values(graph, clean, first, tables, self._prior)
        return graph.add("Concat", numbers, looked_up, axis=1)

    def _rates(self, places: NDArray[np.int64]) -> F8:
        rates: F8 = self._positives[places] / self._totals[places]
        return rates
