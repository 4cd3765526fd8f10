"""Judges a policy from the log of another one: what it would have earned.

Self-normalised importance sampling (Swaminathan and Joachims, *The Self-Normalized Estimator for
Counterfactual Learning*, 2015) and the doubly robust estimator (Dudík, Langford and Li, *Doubly
Robust Policy Evaluation and Learning*, 2011). Both need the log to have tried what the judged
policy does: where it has not, `Unsupported` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online_models.routes.intervals import Floats, Unsupported, interval

ENOUGH = 50.0
"""Least effective sample size (Kong, 1992) for which an interval is given."""
TOLERATED = 0.01
"""Share of the judged policy's choices that the log may never have tried."""
UNREACHED = 0.05
"""Share of them that it may have been unable to try: at another time, or in another slice."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward with its confidence interval, from so many effective samples."""

    value: float
    low: float
    high: float
    effective: float


@dataclass(frozen=True)
class Log:
    """Logged choices as columns of length n.

    `arm` indexes `arms`; `propensity` is the probability with which it was chosen then; `slices`
    numbers the slice of the request, for the doubly robust reward model. `units` numbers the draws
    where several choices were one (each its own when left out): they are not independent, so the
    intervals go by draws. `weight` is 1 / the probability that the outcome came to light. `other`
    is the reward that the choice would have had with the other label; the same when left out.
    """

    arms: Sequence[str]
    arm: NDArray[np.int64]
    propensity: Floats
    reward: Floats
    slices: NDArray[np.int64]
    units: NDArray[np.int64] | None = None
    weight: Floats | None = None
    other: Floats | None = None

    @property
    def stands_for(self) -> Floats:
        """How many records each one stands for."""
        return np.ones(len(self.arm)) if self.weight is None else self.weight

    @property
    def change(self) -> Floats:
        """What the other label would add to each reward."""
        return np.zeros(len(self.arm)) if self.other is None else self.other - self.reward

    def by_unit(self, values: Floats) -> Floats:
        """Sums of values by draw."""
        if self.units is None:
            return values
        return np.asarray(np.bincount(self.units, values), np.float64)

    def weights(self, target: Floats) -> Floats:
        """Importance weights of the target's probabilities [n, arms]; raises Unsupported."""
        n = len(self.arm)
        if not n:
            raise Unsupported("the log holds no reward yet")
        if self.propensity.min() <= 0:
            raise Unsupported("the log holds choices with a propensity of 0")
        tried = np.bincount(self.arm, minlength=len(self.arms)) > 0
        untried = float(self.stands_for @ target[:, ~tried].sum(axis=1) / self.stands_for.sum())
        if untried > TOLERATED:
            missing = ~tried & (target > 0).any(axis=0)
            names = ", ".join(arm for arm, one in zip(self.arms, missing, strict=True) if one)
            raise Unsupported(
                f"{untried:.0%} of the policy's choices are arms that the log never tried ({names})"
            )
        weights = target[np.arange(n), self.arm] / self.propensity
        effective = _effective(self.by_unit(weights * self.stands_for))
        if effective < ENOUGH:
            raise Unsupported(
                f"the log is worth {effective:.0f} samples of this policy; expected {ENOUGH:.0f}: "
                "it chose these arms too rarely; widen exploration or wait"
            )
        self._check_reach(weights)
        return weights

    def _check_reach(self, weights: Floats) -> None:
        """Importance weights are 1 in the mean where the log could choose all the policy does."""
        stands_for = self.stands_for
        reached = float(weights @ stands_for / stands_for.sum())
        sums = self.by_unit((weights - reached) * stands_for)
        error = float(np.sqrt(sums @ sums)) / float(stands_for.sum())
        if 1.0 - reached > UNREACHED + 3.0 * error:
            raise Unsupported(
                f"in {1.0 - reached:.0%} of its records the log could not choose this policy's "
                "arms: another policy held, or a model was not there; judge what was asked --since "
                "then"
            )


def snips(log: Log, target: Floats, confidence: float = 0.95) -> Estimate:
    """The mean reward of a policy with probabilities `target` [n, arms]; raises Unsupported."""
    weights = log.weights(target) * log.stands_for
    value = float(weights @ log.reward / weights.sum())
    terms = weights / weights.mean() * np.array([log.reward - value, log.change])
    return _estimate(log, value, terms, weights, confidence)


def doubly_robust(log: Log, target: Floats, confidence: float = 0.95) -> Estimate:
    """The same with a reward model, the mean by slice and arm, fitted on the other half."""
    weights = log.weights(target)
    model = _cross_fitted(log)
    rows = np.arange(len(log.arm))
    expected = (target * model).sum(axis=1)
    terms = expected + weights * (log.reward - model[rows, log.arm])
    return _mean(log, terms, weights * log.change, weights, confidence)


def mean(
    log: Log, reward: Floats, other: Floats | None = None, confidence: float = 0.95
) -> Estimate:
    """The plain mean of rewards [n] that are known for every record; `other` as in a log."""
    change = np.zeros(len(reward)) if other is None else other - reward
    return _mean(log, reward, change, np.ones(len(reward)), confidence)


def _mean(log: Log, terms: Floats, change: Floats, weights: Floats, confidence: float) -> Estimate:
    stands_for = log.stands_for
    value = float(stands_for @ terms / stands_for.sum())
    around = stands_for / stands_for.mean() * np.array([terms - value, change])
    return _estimate(log, value, around, weights * stands_for, confidence)


def _estimate(
    log: Log, value: float, terms: Floats, weights: Floats, confidence: float
) -> Estimate:
    """From the records' terms around the value, and what the other label would add to each."""
    sums, scale = log.by_unit(terms[0]), max(abs(value), float(np.abs(log.reward).max()))
    if np.abs(sums).max() <= 1e-9 * scale:
        raise Unsupported("all rewards that count are alike: nothing tells how far they may spread")
    largest = float(np.abs(terms.sum(axis=0)).max())
    below, above = interval(sums, len(log.arm), largest, confidence)
    return Estimate(value, value - below, value + above, _effective(log.by_unit(weights)))


def _cross_fitted(log: Log) -> Floats:
    """Reward by record and arm [n, arms], each half of the draws predicted from the other half."""
    n, arms = len(log.arm), len(log.arms)
    half = (np.arange(n) if log.units is None else log.units) % 2
    model = np.empty((n, arms))
    for fold in (0, 1):
        table = _means(log, half != fold)
        model[half == fold] = table[log.slices[half == fold]]
    return model


def _means(log: Log, chosen: NDArray[np.bool_]) -> Floats:
    """Mean reward [slices, arms], drawn towards the arm's mean by five records' worth."""
    slices, arms = int(log.slices.max()) + 1, len(log.arms)
    cell, stands_for = log.slices[chosen] * arms + log.arm[chosen], log.stands_for[chosen]
    worth = stands_for * log.reward[chosen]
    count = np.bincount(cell, stands_for, minlength=slices * arms).reshape(slices, arms)
    total = np.bincount(cell, worth, minlength=slices * arms).reshape(slices, arms)
    overall = float(worth.sum() / stands_for.sum()) if chosen.any() else 0.0
    by_arm = (total.sum(axis=0) + overall) / (count.sum(axis=0) + 1.0)
    return np.asarray((total + 5.0 * by_arm) / (count + 5.0))


def _effective(weights: Floats) -> float:
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0
