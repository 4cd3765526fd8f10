"""When is a distance too large to be chance? Learned by resampling the reference itself.

Records of a stream resemble their neighbours (hours, weekdays, the same customers again), so the
textbook null distributions, which want independent records, would be exceeded every day. Instead
every run of k blocks in one half of the reference is held against the other half: weeks away, as a
window will be, so that what wanders slowly is seen to wander. The mean of these distances says how
large they are when nothing has happened, their spread how many degrees of freedom they have
(Satterthwaite; for PSI this is the second-order correction of Rao and Scott, 1984). A reference
knows that mean only as well as it holds independent windows (counted by the distances'
autocorrelation time), so the tail is that of F and not of chi-squared. However many groups or
edges a distance is made of, one cause moves them together (a campaign of fraud, a model that
learns), so a window counts once, not once a degree of freedom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from online_models.drift import statistics
from online_models.drift.cells import UNKNOWN, Cells, Counts
from online_models.drift.columns import Test
from online_models.drift.statistics import Values
from online_models.drift.weighing import Weighing

KOLMOGOROV = math.pi**2 / 12
"""Mean of the square of a variable with Kolmogorov's distribution."""
_MOST = {"psi": 7.0, "ks": 5.0, "rate": 1.0, "lower": 2.0}
"""Degrees of freedom of independent records: more than these are chance."""
_FEWEST = 0.25
"""Below one where distances come in bursts, as the rate of a rare label does: a heavier tail."""
STILL = 1e-12
"""Distances that differ by less are of a column that was always the same. They show no bursts and
no wandering, and what rounding makes of them must not be taken for it."""
BELIEVED = 20.0
"""Windows of independent records that `lower` believes it has seen besides: a reference holds some
five windows of rare positives, from which no scale can be known."""


@dataclass(frozen=True)
class Null:
    """What one test of a window gives while nothing happens, for every column.

    `scale` [columns] is the mean of the statistic (for KS: of its square) in a window of `records`
    [columns]; `freedom` its degrees of freedom, `known` those with which the scale is known, and
    `limit` how many times the scale is exceeded with the chance `alpha` that the budget allows.
    `chance` [columns] is what of the scale independent records of such a window would give.
    """

    test: Test
    scale: Values
    freedom: Values
    known: Values
    records: Values
    limit: Values
    chance: Values

    def p(self, statistic: Values, records: Values) -> Values:
        """Chance of a statistic as large or larger in a window of so many records."""
        ratio = self._square(statistic) / self._scale(records)
        p: Values = np.asarray(stats.f.sf(ratio, self.freedom, self.known))
        if self.test == "ks":
            return np.maximum(p, _kolmogorov(KOLMOGOROV * ratio, self.known))
        return p

    def threshold(self, records: Values) -> Values:
        """The statistic whose chance is `alpha`."""
        limit = self.limit * self._scale(records)
        return np.sqrt(limit) if self.test == "ks" else limit

    def _scale(self, records: Values) -> Values:
        """A window with fewer records than usual is granted more distance.

        One with more is granted less only of what is chance: more records of a day do not make
        days more alike.
        """
        times = self.records / np.maximum(records, 1.0)
        return self.scale * np.maximum(1.0, times) - self.chance * np.maximum(0.0, 1.0 - times)

    def _square(self, statistic: Values) -> Values:
        return statistic**2 if self.test == "ks" else statistic


def _kolmogorov(x: Values, known: Values) -> Values:
    """P(K² > x · v) with K Kolmogorov's and v a scale known with so many degrees of freedom.

    As `known` grows this becomes `scipy.special.kolmogorov`. Ties (a column of few values) make the
    tail of K² heavier than Kolmogorov's, so that of F stands beside it, the larger counts.

    E exp(-2 j² x v) over v = chi-squared / known is (1 + 4 j² x / known)^(-known / 2).
    """
    j = np.arange(1, 60)[:, None]
    terms = (-1.0) ** (j - 1) * np.exp(-known / 2 * np.log1p(4 * j**2 * x / known))
    return np.where(x < 0.2, 1.0, np.clip(2 * terms.sum(0), 0.0, 1.0))


def measured(test: Test, cells: Cells, window: Counts, reference: Counts) -> Values:
    """One test's statistic for every column, from counts [..., columns, CELLS]."""
    if test == "psi":
        return statistics.psi(cells.grouped(window), cells.grouped(reference))
    return getattr(statistics, test)(window, reference)  # type: ignore[no-any-return]


def null(test: Test, cells: Cells, blocks: Counts, length: int, alpha: float) -> Null:
    """The null of a window of `length` blocks, from the reference's: [n, planes, columns, CELLS].

    Needs n of at least three lengths; raises ValueError for less.
    """
    number = len(blocks)
    if number < 3 * length:
        raise ValueError(f"a reference of {number} blocks; expected at least {3 * length}")
    halves = blocks[: number // 2], blocks[number // 2 :]
    weighing = Weighing.of(cells, blocks.sum(0))
    windows = [weighing.effective(_runs(half, length)) for half in halves]
    others = [weighing.effective(half.sum(0)) for half in halves]
    drawn = np.concatenate([measured(test, cells, windows[i], others[1 - i]) for i in (0, 1)])
    drawn = drawn**2 if test == "ks" else drawn
    records = counted_in(test, np.concatenate(windows)).mean(0)
    whole = weighing.effective(blocks.sum(0))
    one = _one(test, cells, whole)
    chance = one / np.maximum(records, 1.0)
    least = chance + one / np.maximum(counted_in(test, whole), 1.0)
    mean, variance = drawn.mean(0), drawn.var(0, ddof=1)
    still = (np.ptp(drawn, axis=0) < STILL) & (test in ("psi", "ks"))
    independent = len(drawn) / np.maximum(np.where(still, 1, _correlation_time(drawn)), length)
    if test == "lower":
        mean = _believing(mean, least, independent)
        variance = _believing(variance, least**2, independent)
        independent = independent + BELIEVED
    freedom = np.clip(2 * mean**2 / np.maximum(variance, 1e-300), _FEWEST, _MOST[test])
    freedom = np.where(still, _MOST[test], freedom)
    scale = np.maximum(mean, least)
    known = np.maximum(independent - 1, 1.0) * np.minimum(freedom, 1.0)
    limit = _limit(test, alpha, freedom, known)
    scale *= 1 + 1 / independent
    return Null(test, scale, freedom, known, records, limit, chance)


def _believing(seen: Values, believed: Values, independent: Values) -> Values:
    """What so many windows have shown and BELIEVED more that never were, in the mean."""
    return (independent * seen + BELIEVED * believed) / (independent + BELIEVED)


def _limit(test: Test, alpha: float, freedom: Values, known: Values) -> Values:
    ratio: Values = np.asarray(stats.f.isf(alpha, freedom, known))
    if test != "ks":
        return ratio
    x = known / 4 * np.expm1(-2 / known * math.log(alpha / 2))
    return np.maximum(ratio, x / KOLMOGOROV)


def _correlation_time(drawn: Values) -> Values:
    """How many neighbours [n, columns] say as much as one: 1 + 2 sum of autocorrelations.

    The sum ends before the first that is negative (Geyer, 1992, initial positive sequence).
    """
    gaps = drawn - drawn.mean(0)
    variance = np.maximum((gaps**2).mean(0), 1e-300)
    time, going = np.ones(drawn.shape[1]), np.ones(drawn.shape[1], bool)
    for lag in range(1, len(drawn) // 2):
        each = (gaps[lag:] * gaps[:-lag]).mean(0) / variance
        going &= each > 0
        if not going.any():
            break
        time += np.where(going, 2 * each, 0.0)
    return time


def counted_in(test: Test, counts: Counts) -> Values:
    """How many records of each column a test sees: KS and `lower` only those that are known."""
    return np.asarray(counts[..., :UNKNOWN].sum(-1) if test in ("ks", "lower") else counts.sum(-1))


def _runs(blocks: Counts, length: int) -> Counts:
    """Counts of every run of so many blocks."""
    sums = np.concatenate([np.zeros((1, *blocks.shape[1:])), np.cumsum(blocks, axis=0)])
    return np.asarray(sums[length:] - sums[:-length])


def _one(test: Test, cells: Cells, counts: Counts) -> Values:
    """The mean that one independent record would give; a quarter of it for KS, lower when tied.

    A one-sided distance has no more than the tail exp(-2 z²), chi-squared's of two degrees.
    """
    if test == "psi":
        return np.asarray(np.maximum(1.0, (cells.grouped(counts) > 0).sum(-1) - 1))
    return np.full(counts.shape[-2], {"ks": KOLMOGOROV / 4, "lower": 0.5}.get(test, 1.0))
