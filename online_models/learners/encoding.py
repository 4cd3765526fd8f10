"""What a learner sees of the vector: signed logarithms of the numbers.

The same arithmetic stands in the exported graphs (`online_models.export.parts`), so a change here
is a change there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.declare import Domain


@dataclass(frozen=True)
class Inputs:
    """The part of a vector of `width` numbers that a learner uses.

    `numerics` are the names of its first columns, in order; `categories` are name and number of
    buckets of its last ones.
    """

    width: int
    numerics: tuple[str, ...]
    categories: tuple[tuple[str, int], ...]

    @property
    def first_category(self) -> int:
        """Where in the vector the categories begin."""
        return self.width - len(self.categories)

    def check(self, vector: Sequence[float]) -> None:
        """Raises ValueError for a vector of another length."""
        if len(vector) != self.width:
            raise ValueError(f"vector of {len(vector)}; expected {self.width} numbers")


def inputs(domain: Domain, columns: Literal["all", "static"]) -> Inputs:
    """What a learner of this domain sees: with `static`, no features of entities."""
    names = [column.name for column in domain.columns]
    if columns == "all":
        names += domain.feature_names
    sizes = (category.buckets for category in domain.categories)
    return Inputs(
        width=len(domain.vector_names),
        numerics=tuple(names),
        categories=tuple(zip(domain.category_names, sizes, strict=True)),
    )


def signed_log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """sign(x) · log(1 + |x|): delays, counts and amounts on one scale, whatever their tails."""
    return np.copysign(np.log(1.0 + np.abs(values)), values)


class Encoding:
    """Makes the dicts of River's trees from vectors."""

    def __init__(self, seen: Inputs) -> None:
        self.inputs = seen

    def filled(self, vector: Sequence[float]) -> dict[str, float]:
        """Signed logarithm by name; 0 where the number is unknown or infinite."""
        low, high = -math.inf, math.inf
        return {
            name: value if low < value < high else 0.0
            for name, value in zip(self.inputs.numerics, self._logs(vector), strict=True)
        }

    def _logs(self, vector: Sequence[float]) -> list[float]:
        self.inputs.check(vector)
        numbers = np.array(vector[: len(self.inputs.numerics)], dtype=np.float64)
        logs: list[float] = signed_log(numbers).tolist()
        return logs


def undo_signed_log(limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each limit the largest number whose signed logarithm is not above it.

    So `signed_log(x) <= limit` and `x <= undo_signed_log(limit)` agree for every double x. Found
    by bisection over all doubles, because the logarithm maps several of them to one.
    """
    low = np.full(limits.shape, _ordered(np.array(-np.inf)))
    high = np.full(limits.shape, _ordered(np.array(np.inf)))
    for _ in range(64):
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        below = signed_log(_double(middle)) <= limits
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return _double(low)


def _ordered(doubles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Integers in the order of the doubles."""
    bits = doubles.view(np.int64)
    return np.where(bits < 0, bits ^ np.int64(0x7FFF_FFFF_FFFF_FFFF), bits)


def _double(ordered: NDArray[np.int64]) -> NDArray[np.float64]:
    bits = np.where(ordered < 0, ordered ^ np.int64(0x7FFF_FFFF_FFFF_FFFF), ordered)
    return bits.view(np.float64)
