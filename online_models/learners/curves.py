"""Curves for a linear model: a smooth-enough function of each number, learned as a few weights.

A scaled number z becomes itself (clipped) and its two nearest knots, weighted by nearness (linear
interpolation, a B-spline basis of degree 1: de Boor, A Practical Guide to Splines, chapter IX).
The model stays linear in its weights, so it still learns online, yet may bend with every number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP = 0.5
"""Standard deviations between two knots."""

REACH = 3.0
"""Knots lie in [-REACH, REACH]; beyond, only the straight part goes on."""

CLIP = 6.0
"""Where the straight part ends too, so that no value however absurd can carry an answer alone."""

KNOTS = int(2 * REACH / STEP) + 1
CELLS = int(2 * CLIP / STEP)

PLACES = 3
"""Places that a number takes: the straight part, or the flag where it is missing; two knots."""

_BESIDE = KNOTS + 1
_MISSING = KNOTS + 3
_SPAN = KNOTS + 4


class Curves:
    """Where in a vector of weights the curves of `count` numbers are.

    Each has the weight of its straight part, those of its knots from -3 to 3, two beside them that
    stay 0, for where fewer are touched, and that of the flag where the number is missing.
    """

    def __init__(self, count: int) -> None:
        self._first = np.arange(count, dtype=np.int64) * _SPAN
        self.size = count * _SPAN

    def place(self, z: F8, known: NDArray[np.bool_], index: Ints, value: F8) -> None:
        """Writes which weights scaled numbers [n, count] touch, and by how much: [n, 3 · count].

        What is not known touches its flag; its other two places get 0.
        """
        count = len(self._first)
        straight = np.minimum(np.maximum(z, -CLIP), CLIP)
        at = np.minimum(np.maximum((straight + REACH) / STEP, 0.0), KNOTS - 1.0)
        knot = at.astype(np.int64)
        share = at - knot
        knot[~known] = KNOTS
        value[:, :count] = np.where(known, straight, 1.0)
        value[:, count : 2 * count] = (1.0 - share) * known
        value[:, 2 * count :] = share * known
        index[:, :count] = np.where(known, self._first, self._first + _MISSING)
        index[:, count : 2 * count] = knot + (self._first + 1)
        index[:, 2 * count :] = np.where(at > 0.0, knot + 2, _BESIDE) + self._first

    def tables(self, weights: F8) -> tuple[F8, F8]:
        """What a linear model whose first weights are these adds for each number.

        Gives its value at z = -6, -5.5 … 6 (shape [count, 25]; between them it is linear), and
        its value where the number is missing (shape [count]).
        """
        own = weights[: self.size].reshape(-1, _SPAN)
        grid = np.linspace(-CLIP, CLIP, CELLS + 1)
        at = np.clip((grid + REACH) / STEP, 0, KNOTS - 1).astype(np.int64)
        return own[:, :1] * grid + own[:, 1:_BESIDE][:, at], own[:, _MISSING]
