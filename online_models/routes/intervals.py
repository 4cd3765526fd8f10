"""Confidence intervals of mean rewards, which are often rare and uneven.

A few frauds of hundreds among thousands of zeros: the mean of the log is skewed, and an interval
that is as long on both sides lies too low. Skewness is taken out by Hall's transformation (*On the
Removal of Skewness by Transformation*, 1992). Where even that is not enough, `Unsupported` says so.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

UNEVEN = 2.0
"""Draws wanted for each unit of squared skewness, of which there is one for each rare reward seen.
Without the transformation it takes 25: Cochran's rule (*Sampling Techniques*, 1977, section 2.15).
"""


class Unsupported(ValueError):
    """The log cannot support the estimate; the message says what is missing."""


def interval(sums: Floats, n: int, largest: float, confidence: float) -> tuple[float, float]:
    """How far a mean over n records reaches below and above its value; raises Unsupported.

    `sums` are what each draw adds to it, around its value. `largest` is the most that one record
    might have added, had its label been the other: a log that has seen none of the rare rewards
    looks even, but would not with one more of them.
    """
    squares = float(sums @ sums)
    if not math.isfinite(squares + largest):
        raise Unsupported("the log's rewards are not finite")
    draws, cubes = len(sums), float((sums * sums * sums).sum())
    _check_spread(draws, squares, cubes, largest)
    error = math.sqrt(squares * draws / max(draws - 1, 1)) / n
    skewness = cubes / draws / (squares / draws) ** 1.5
    z = float(norm.ppf(0.5 + confidence / 2))
    return error * _unskewed(z, skewness, draws), -error * _unskewed(-z, skewness, draws)


def _unskewed(z: float, skewness: float, draws: int) -> float:
    """The Studentised mean that a normal `z` stands for: the inverse of Hall's transformation."""
    slope = skewness / (3.0 * math.sqrt(draws))
    shifted = z - slope / 2.0
    if abs(slope) < 1e-8:
        return shifted
    return float(np.cbrt(1.0 + 3.0 * slope * shifted) - 1.0) / slope


def _check_spread(draws: int, squares: float, cubes: float, largest: float) -> None:
    """Raises where rewards are too rare or uneven, or would be with one more of the largest."""
    wanted = UNEVEN * draws * (abs(cubes) + largest**3) ** 2 / (squares + largest**2) ** 3
    if draws < wanted:
        raise Unsupported(
            f"rewards are too rare or uneven: {draws} draws, expected {wanted:,.0f} for an "
            "interval; wait"
        )
