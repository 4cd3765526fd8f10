"""How far two histograms are apart, for many columns and many pairs at once.

All take counts [..., cells] of a window and of a reference, broadcast against each other, and give
[...]; 0 where one of them is empty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from online_models.drift.cells import UNKNOWN, Counts

Values = NDArray[np.float64]


def psi(window: Counts, reference: Counts) -> Values:
    """Population stability index over groups: the sum of (p - q) ln(p / q).

    The reference has half a record more in each group, the window as many, spread as the reference
    is: so an empty group costs what its size warrants and an empty window nothing.
    """
    groups = reference.shape[-1]
    q = (reference + 0.5) / (reference.sum(-1, keepdims=True) + 0.5 * groups)
    p = (window + 0.5 * groups * q) / (window.sum(-1, keepdims=True) + 0.5 * groups)
    return np.asarray(((p - q) * np.log(p / q)).sum(-1))


def ks(window: Counts, reference: Counts) -> Values:
    """Two-sample Kolmogorov-Smirnov distance of known values, seen at the cells' edges."""
    gap = _cumulated(window) - _cumulated(reference)
    both = (window[..., :UNKNOWN].sum(-1) > 0) & (reference[..., :UNKNOWN].sum(-1) > 0)
    return np.where(both, np.abs(gap).max(-1), 0.0)


def lower(window: Counts, reference: Counts) -> Values:
    """Squared one-sided distance (Smirnov): how much more of the window lies below an edge."""
    gap = np.maximum(_cumulated(window) - _cumulated(reference), 0.0).max(-1)
    both = (window[..., :UNKNOWN].sum(-1) > 0) & (reference[..., :UNKNOWN].sum(-1) > 0)
    return np.where(both, gap**2, 0.0)


def rate(window: Counts, reference: Counts) -> Values:
    """Squared difference of the rates of label 1 as angles, 2 asin of their root (Cohen's h, 1988).

    The variance of an angle is 1 / n whatever the rate, and a few labels more where less than one
    is expected do not count for dozens of standard deviations.
    """
    p, n = _rate(window)
    q, m = _rate(reference)
    h = 2 * (np.arcsin(np.sqrt(p)) - np.arcsin(np.sqrt(q)))
    return np.where((n > 0) & (m > 0), h**2, 0.0)


def superiority(window: Counts, reference: Counts) -> Values:
    """Cliff's delta of known values: chance that the window's is larger less that it is smaller."""
    w = window[..., :UNKNOWN] / np.maximum(window[..., :UNKNOWN].sum(-1, keepdims=True), 1.0)
    below = _cumulated(reference)
    r = np.diff(below, axis=-1, prepend=0.0)
    return np.asarray((w * (2 * below - r)).sum(-1) - 1.0)


def _rate(counts: Counts) -> tuple[Values, Values]:
    known = counts[..., 0] + counts[..., 1]
    return counts[..., 1] / np.maximum(known, 1.0), known


def _cumulated(counts: Counts) -> Values:
    known = counts[..., :UNKNOWN]
    total = np.maximum(known.sum(-1, keepdims=True), 1.0)
    return np.asarray(np.cumsum(known, axis=-1) / total)
