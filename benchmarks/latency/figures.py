"""Milliseconds in JSON, which has no infinity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OVER = "over budget"
"""The name of the shares over budget among a run's replicates."""

Figure = float | None
"""Milliseconds; None where there was no right answer."""


def figure(value: float) -> Figure:
    """Four digits of what may be infinite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def floats(figures: Sequence[Figure]) -> NDArray[np.float64]:
    """The figures with infinity for None."""
    return np.array([np.inf if each is None else each for each in figures])
