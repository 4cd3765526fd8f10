"""What the inclusion of items in a fixed-size sample is held against: exact theory, exact test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad_vec
from scipy.stats import binom, f

F8 = NDArray[np.float64]


def inclusion_p(samples: Iterable[Sequence[int]], theory: F8, pooled: int = 1) -> float:
    """The p-value of samples of 0..n-1, one a run, if item i is in with chance `theory[i]`.

    Hotelling's T² of the runs' inclusion vectors: each direction of their own covariance is scaled
    by its variance, so neither 1 - theory nor the correlation that a fixed size brings is left out.
    It is F with d and R - d degrees of freedom, d the directions that vary; what does not vary
    (the sample's size, items that are always in) must be as in theory. With `pooled`, so many
    neighbours are counted together.
    """
    runs = [np.bincount(sample, minlength=len(theory)) for sample in samples]
    assert max(counts.max() for counts in runs) == 1
    starts = np.arange(0, len(theory), pooled)
    included = np.add.reduceat(np.array(runs), starts, axis=1)
    off = included.mean(axis=0) - np.add.reduceat(theory, starts)
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(included.T)))
    free, along = variances > 1e-9, axes.T @ off
    np.testing.assert_allclose(along[~free], 0, atol=1e-6)
    count, d = len(runs), int(free.sum())
    if d == 0:
        return 1.0
    t2 = count * float((along[free] ** 2 / variances[free]).sum())
    return float(f.sf(t2 * (count - d) / (d * (count - 1)), d, count - d))


def successive(weights: NDArray[np.floating[Any]], size: int) -> F8:
    """Chances of inclusion if `size` are drawn one after another by weight out of what is left.

    Efraimidis and Spirakis (2006): they are the `size` smallest of exponential ranks of rate
    w. An item is in if fewer than `size` of the others are below its own rank t, integrated over t;
    how many of a weight are below t is binomial.
    """
    if len(weights) <= size:
        return np.ones(len(weights))
    distinct, places, many = np.unique(weights, return_inverse=True, return_counts=True)
    below = np.arange(size)[:, None]

    def density(t: float) -> F8:
        p = -np.expm1(-distinct * t)
        all_of, all_but_one = (binom.pmf(below, count, p).T for count in (many, many - 1))
        chances = np.empty(len(distinct))
        for own in range(len(distinct)):
            others = all_but_one[own]
            for other in range(len(distinct)):
                if other != own:
                    others = np.convolve(others, all_of[other])[:size]
            chances[own] = others.sum()
        return np.asarray(distinct * np.exp(-distinct * t) * chances)

    chances, _ = quad_vec(density, 0, np.inf, epsabs=1e-10)
    theory = np.asarray(chances[places])
    np.testing.assert_allclose(theory.sum(), size, atol=1e-6)
    return theory
