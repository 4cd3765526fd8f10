"""River's scaler and River's AdaGrad over arrays: a fifth of the time, and the same numbers.

They differ from River's over dicts by the rounding of a sum and of square roots; that they do by no
more is tested against River's own, and checked by `headrace bench learning`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Ints = NDArray[np.int64]

STEEPEST = 1e12
"""River's bound of a gradient."""


class Scaler:
    """`river.preprocessing.StandardScaler`: running means and variances of `count` numbers."""

    def __init__(self, count: int) -> None:
        self._counts = np.zeros(count)
        self.means = np.zeros(count)
        self.variances = np.zeros(count)

    def scaled(self, x: F8) -> F8:
        """Standard deviations from the mean, of rows [n, count]; 0 where nothing has varied."""
        return _scaled(x, self.means, self.variances)

    def learn(self, x: F8, known: NDArray[np.bool_]) -> F8:
        """Takes in rows [n, count] in their order; gives each scaled by what was known before it.

        What is not known must be a finite number, and does not count.
        """
        here = known.astype(np.float64)
        seen = np.add.accumulate(np.concatenate([self._counts[None], here]))
        counts = np.maximum(seen[1:], 1.0)
        means = self._follow(x, here, counts)
        risen = (x - means[:-1]) * here * (x - means[1:])
        variances = self._vary(risen, here, counts)
        self._counts, self.means, self.variances = seen[-1].copy(), means[-1], variances[-1]
        return _scaled(x, means[:-1], variances[:-1])

    def _follow(self, x: F8, here: F8, counts: F8) -> F8:
        """The means before every row and after the last."""
        means = np.empty((len(x) + 1, x.shape[1]))
        means[0] = before = self.means.copy()
        for row, there, count, after in zip(x, here, counts, means[1:], strict=True):
            np.subtract(row, before, out=after)
            np.multiply(after, there, out=after)
            np.divide(after, count, out=after)
            before = np.add(before, after, out=after)
        return means

    def _vary(self, risen: F8, here: F8, counts: F8) -> F8:
        """The variances before every row and after the last."""
        variances = np.empty((len(risen) + 1, risen.shape[1]))
        variances[0] = before = self.variances.copy()
        for rise, there, count, after in zip(risen, here, counts, variances[1:], strict=True):
            np.multiply(before, there, out=after)
            np.subtract(rise, after, out=after)
            np.divide(after, count, out=after)
            before = np.add(before, after, out=after)
        return variances


def _scaled(x: F8, means: F8, variances: F8) -> F8:
    deviations = np.sqrt(variances)
    deviations[deviations == 0.0] = np.inf
    scaled: F8 = (x - means) / deviations
    return scaled


class Linear:
    """Weights that learn by `river.optim.AdaGrad`; an input names the weights that it touches.

    `index` [k] are their numbers and `value` [k] by how much. A number may stand there twice where
    it only ever has the value 0.
    """

    def __init__(self, size: int, rate: float, eps: float, l2: float) -> None:
        self.weights = np.zeros(size)
        self._squares = np.zeros(size)
        self._rate, self._eps, self._l2 = rate, eps, l2

    def forget(self) -> None:
        """Begins anew."""
        self.weights = np.zeros_like(self.weights)
        self.raise_rate()

    def raise_rate(self) -> None:
        """Begins the rates anew, at their highest; the weights stay."""
        self._squares = np.zeros_like(self._squares)

    def dot(self, index: Ints, value: F8) -> float:
        """The sum of the weights by their values."""
        return float(value @ self.weights[index])

    def step(self, index: Ints, value: F8, gradient: float) -> None:
        """Goes down the loss, whose gradient in the sum is given."""
        weights = self.weights[index]
        slopes = value * min(max(gradient, -STEEPEST), STEEPEST)
        if self._l2:
            slopes += self._l2 * weights
        squares = self._squares[index] + slopes * slopes
        self._squares[index] = squares
        self.weights[index] = weights - self._rate / np.sqrt(squares + self._eps) * slopes
