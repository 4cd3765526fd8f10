"""Routing policies: how likely each arm is chosen, given what the arms have earned.

A policy gives the whole distribution instead of one draw. So the propensity that is logged is
exact, every server that knows the same posteriors chooses alike (by hash, see `choose`), and
another policy can be judged from the log. `river.bandit` draws arms without their probabilities
and keeps no event time, which is why it is not used here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np
from scipy.special import log_ndtr

from online_models.routes.earned import Earned

Distribution = dict[str, float]
"""Probability by arm; sums to 1."""


class PolicyError(ValueError):
    """A policy cannot be what was asked; names the option, the found and the expected."""


class Policy(Protocol):
    """Gives each arm its probability."""

    @property
    def name(self) -> str:
        """Its name and options, as logged."""

    def distribution(self, earned: Mapping[str, Earned]) -> Distribution:
        """The probabilities of the arms of `earned`."""


@dataclass(frozen=True, slots=True)
class Split:
    """Fixed shares: one arm for all (`fixed`), or several side by side (`A/B`)."""

    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        sound = all(share >= 0 for share in self.shares.values())  # never for NaN
        if not sound or not 0 < sum(self.shares.values()) < math.inf:
            raise PolicyError(
                f"shares {dict(self.shares)}: expected finite numbers, none below 0, one above, "
                "such as a=0.9,b=0.1"
            )

    @property
    def name(self) -> str:
        """`split(a=0.9,b=0.1)`."""
        return f"split({','.join(f'{arm}={share:g}' for arm, share in self.shares.items())})"

    def distribution(self, earned: Mapping[str, Earned]) -> Distribution:
        """The shares of the arms that there are; raises PolicyError where none is there."""
        there = {arm: self.shares.get(arm, 0.0) for arm in earned}
        if not sum(there.values()):
            raise PolicyError(f"{self.name}: none of its arms is among {', '.join(earned)}")
        return _normal(there)


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """The best arm so far, but with probability epsilon any."""

    epsilon: float = 0.1

    @property
    def name(self) -> str:
        """`epsilon-greedy(0.1)`."""
        return f"epsilon-greedy({self.epsilon:g})"

    def distribution(self, earned: Mapping[str, Earned]) -> Distribution:
        """Arms that have earned nothing yet count as best."""
        return _floored(
            _best({arm: _hopeful(one.mean) for arm, one in earned.items()}), self.epsilon
        )


@dataclass(frozen=True, slots=True)
class UpperConfidence:
    """The arm with the highest upper bound: UCB1 of Auer, Cesa-Bianchi and Fischer (2002).

    The bound is scaled by the pooled deviation of the rewards instead of their range;
    with discounted weights it is the D-UCB of Garivier and Moulines (2011). `explore` is shared
    by all arms, so that the log can judge other policies.
    """

    width: float = 2.0
    explore: float = 0.05

    @property
    def name(self) -> str:
        """`ucb(2)`."""
        return f"ucb({self.width:g})"

    def distribution(self, earned: Mapping[str, Earned]) -> Distribution:
        """Arms that have earned nothing yet come first."""
        spread, total = _spread(earned), sum(one.weight for one in earned.values())
        bounds = {
            arm: one.mean + self.width * spread * math.sqrt(math.log(max(total, 1.0)) / one.weight)
            if one.weight > 0
            else math.inf
            for arm, one in earned.items()
        }
        return _floored(_best(bounds), self.explore)


@dataclass(frozen=True, slots=True)
class Thompson:
    """Each arm as likely as it is to be the best: Thompson (1933), with normal posteriors.

    The probability that an arm's mean is the largest is an integral over normal densities,
    computed on a grid, instead of a draw. Discounting makes room for change (Raj and Kalyani,
    *Taming Non-stationary Bandits*, 2017). The prior of an arm is the pooled mean and variance,
    worth `prior` rewards.
    """

    explore: float = 0.02
    prior: float = 1.0

    @property
    def name(self) -> str:
        """`thompson(0.02)`."""
        return f"thompson({self.explore:g})"

    def distribution(self, earned: Mapping[str, Earned]) -> Distribution:
        """Alike for all arms before the first reward."""
        weights = np.array([max(one.weight, 0.0) for one in earned.values()])
        totals = np.array([one.total for one in earned.values()])
        pooled = totals.sum() / weights.sum() if weights.sum() > 0 else 0.0
        means = (totals + self.prior * pooled) / (weights + self.prior)
        noise = np.array([one.noise for one in earned.values()])
        noise += self.prior * max(_spread(earned), 1e-9) ** 2
        deviations = np.sqrt(noise) / (weights + self.prior)
        best = _largest(means, deviations)
        return _floored(dict(zip(earned, best.tolist(), strict=True)), self.explore)


def choose(distribution: Distribution, unit: str) -> tuple[str, float]:
    """The arm for a unit, and its probability; the same everywhere for the same distribution.

    Weighted rendezvous hashing (Thaler and Ravishankar, *Using Name-Based Mappings to Increase Hit
    Rates*, 1998): every arm draws an exponential time of rate p from the hash of unit and arm, and
    the first wins. So a change of one probability only moves units to or from that arm, and
    without an arm its units fall to the others by their shares, none of theirs moving. The shares
    need not sum to 1. Raises PolicyError where all of them are 0.
    """
    likely = {arm: p for arm, p in distribution.items() if p > 0}
    if not likely:
        raise PolicyError(f"no arm of {', '.join(distribution) or 'none'} has a share above 0")
    if len(likely) == 1:
        return next(iter(likely)), 1.0
    times = {arm: -math.log(lot(unit, arm)) / p for arm, p in likely.items()}
    chosen = min(times, key=times.__getitem__)
    return chosen, likely[chosen] / sum(likely.values())


def lot(unit: str, purpose: str) -> float:
    """A number drawn uniformly from (0, 1) by hashing, independent for other units or purposes."""
    digest = blake2b(f"{unit}|{purpose}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**64


def _normal(weights: Distribution) -> Distribution:
    total = sum(weights.values())
    return {arm: weight / total for arm, weight in weights.items()}


def _floored(distribution: Distribution, share: float) -> Distribution:
    """Mixed with `share` of the uniform distribution."""
    even = share / len(distribution)
    return {arm: (1 - share) * p + even for arm, p in distribution.items()}


def _best(scores: Distribution) -> Distribution:
    """All on the best arm; the arms that share the best score share alike."""
    top = max(scores.values())
    return _normal({arm: float(score == top) for arm, score in scores.items()})


def _hopeful(mean: float) -> float:
    return math.inf if math.isnan(mean) else mean


def _spread(earned: Mapping[str, Earned]) -> float:
    """The pooled noise of a reward by its weight; 1 before there are two.

    Where all weigh 1 it is the standard deviation of rewards around their arm's mean.
    """
    weight = sum(one.weight for one in earned.values())
    if weight <= 1:
        return 1.0
    return math.sqrt(sum(one.noise for one in earned.values()) / weight)


def _largest(means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """The probability of each of independent normal variables to be the largest."""
    low, high = (means - 6 * deviations).min(), (means + 6 * deviations).max()
    grid = np.union1d(
        np.linspace(low, high, 201),
        (means[:, None] + deviations[:, None] * np.linspace(-6, 6, 97)).ravel(),
    )
    scaled = (grid - means[:, None]) / deviations[:, None]
    below = log_ndtr(scaled)
    density = -(scaled**2) / 2 - np.log(deviations)[:, None]
    likelihood = np.exp(density + below.sum(axis=0) - below)
    probability = np.trapezoid(likelihood, grid, axis=1)
    return np.asarray(probability / probability.sum())
