"""Judges a policy from the log of another one: what it would have earned.

Self-normalised importance sampling (Swaminathan and Joachims, *The Self-Normalized Estimator for
Counterfactual Learning*, 2015) and the doubly robust estimator (Dudík, Langford and Li, *Doubly
Robust Policy Evaluation and Learning*, 2011), with normal confidence intervals. Both need the
log to have tried what the judged policy does: where it has not, `Unsupported` says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

ENOUGH = 50.0
"""Least effective sample size (Kong, 1992) for which a normal interval is given."""
UNEVEN = 25.0
"""Draws wanted for each unit of squared skewness before a normal interval is given: Cochran's rule
(*Sampling Techniques*, 1977, section 2.15). Of rare rewards that is so many as were seen."""
TOLERATED = 0.01
"""Share of the judged policy's choices that the log may never have tried."""


class Unsupported(ValueError):
    """The log cannot support the estimate; the message says what is missing."""


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
    intervals go by draws. `weight` is 1 / the probability that the outcome came to light.
    """

    arms: Sequence[str]
    arm: NDArray[np.int64]
    propensity: Floats
    reward: Floats
    slices: NDArray[np.int64]
    units: NDArray[np.int64] | None = None
    weight: Floats | None = None

    @property
    def stands_for(self) -> Floats:
        """How many records each one stands for."""
        return np.ones(len(self.arm)) if self.weight is None else self.weight

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
        return weights


def snips(log: Log, target: Floats, confidence: float = 0.95) -> Estimate:
    """The mean reward of a policy with probabilities `target` [n, arms]; raises Unsupported."""
    weights = log.weights(target) * log.stands_for
    value = float(weights @ log.reward / weights.sum())
    influence = weights * (log.reward - value) / weights.mean()
    return _estimate(log, value, influence, weights, confidence)


def doubly_robust(log: Log, target: Floats, confidence: float = 0.95) -> Estimate:
    """The same with a reward model, the mean by slice and arm, fitted on the other half."""
    weights = log.weights(target)
    model = _cross_fitted(log)
    rows = np.arange(len(log.arm))
    expected = (target * model).sum(axis=1)
    terms = expected + weights * (log.reward - model[rows, log.arm])
    return _mean(log, terms, weights, confidence)


def mean(log: Log, reward: Floats, confidence: float = 0.95) -> Estimate:
    """The plain mean of rewards [n] that are known for every record."""
    return _mean(log, reward, np.ones(len(reward)), confidence)


def _mean(log: Log, terms: Floats, weights: Floats, confidence: float) -> Estimate:
    stands_for = log.stands_for
    value = float(stands_for @ terms / stands_for.sum())
    influence = stands_for * (terms - value) / stands_for.mean()
    return _estimate(log, value, influence, weights * stands_for, confidence)


def _cross_fitted(log: Log) -> Floats:
    """Reward by record and arm [n, arms], each half of the log predicted from the other half."""
    n, arms = len(log.arm), len(log.arms)
    half = np.arange(n) % 2
    model = np.empty((n, arms))
    for fold in (0, 1):
        table = _means(log, half != fold)
        model[half == fold] = table[log.slices[half == fold]]
    return model


def _means(log: Log, chosen: NDArray[np.bool_]) -> Floats:
    """Mean reward [slices, arms], drawn towards the arm's mean by five records' worth."""
    slices, arms = int(log.slices.max()) + 1, len(log.arms)
    cell = log.slices[chosen] * arms + log.arm[chosen]
    count = np.bincount(cell, minlength=slices * arms).reshape(slices, arms)
    total = np.bincount(cell, log.reward[chosen], minlength=slices * arms).reshape(slices, arms)
    overall = float(log.reward[chosen].mean()) if chosen.any() else 0.0
    by_arm = (total.sum(axis=0) + overall) / (count.sum(axis=0) + 1.0)
    return np.asarray((total + 5.0 * by_arm) / (count + 5.0))


def _effective(weights: Floats) -> float:
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _estimate(
    log: Log, value: float, influence: Floats, weights: Floats, confidence: float
) -> Estimate:
    sums, n = log.by_unit(influence), len(influence)
    _check_spread(sums, float(np.abs(log.reward).max()))
    error = math.sqrt(float(sums @ sums) * len(sums) / max(len(sums) - 1, 1)) / n
    reach = float(norm.ppf(0.5 + confidence / 2)) * error
    if not math.isfinite(reach):
        raise Unsupported("the log's rewards are not finite")
    return Estimate(value, value - reach, value + reach, _effective(log.by_unit(weights)))


def _check_spread(sums: Floats, scale: float) -> None:
    """Raises Unsupported where rewards are too rare or uneven for a normal interval."""
    spread = math.sqrt(float(np.mean(sums**2)))
    if spread <= 1e-9 * scale or not spread:
        raise Unsupported("all rewards that count are alike: nothing tells how far they may spread")
    wanted = UNEVEN * float(np.mean((sums / spread) ** 3)) ** 2
    if len(sums) < wanted:
        raise Unsupported(
            f"rewards are too rare or uneven: {len(sums)} draws, expected {wanted:,.0f} for an "
            "interval; wait"
        )
