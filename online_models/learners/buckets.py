"""Where in a vector of weights, or of counts, the buckets of a vector's categories stand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from online_models.learners.encoding import Inputs

F8 = NDArray[np.float64]
Ints = NDArray[np.int64]


class Buckets:
    """All buckets of all categories in a row, from place `first` on.

    Behind them is one place more, for a bucket outside its category.
    """

    def __init__(self, seen: Inputs, first: int = 0) -> None:
        sizes = [buckets for _, buckets in seen.categories]
        self._from = seen.first_category
        self._sizes = np.array(sizes, np.float64)
        self._starts = first + np.cumsum([0, *sizes], dtype=np.int64)
        self.none = int(self._starts[-1])
        self.end = self.none + 1

    def places(self, vectors: F8) -> Ints:
        """The places [..., categories] of the buckets of vectors [..., width].

        `none` for a bucket outside its category.
        """
        buckets = vectors[..., self._from :]
        inside = (buckets > -1.0) & (buckets < self._sizes)
        return np.where(inside, np.trunc(buckets) + self._starts[:-1], self.none).astype(np.int64)

    def tables(self, weights: F8) -> list[list[float]]:
        """The numbers of each category's buckets."""
        return [weights[start:end].tolist() for start, end in pairwise(self._starts)]
