"""What an arm has earned tells how sure its mean is, whatever its rewards weigh."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from online_models.routes.earned import Earned
from online_models.routes.policies import Thompson

HOUR = 3_600_000


def seen(
    rewards: np.ndarray, hides: str, rng: np.random.Generator
) -> tuple[list[float], list[float]]:
    """What comes to light, and its weights: all, a tenth, or a tenth of what is not 0."""
    sure = (hides == "none") | ((hides == "some") & (rewards == 0))
    lit = sure | (rng.random(len(rewards)) < 0.1)
    return rewards[lit].tolist(), np.where(sure, 1.0, np.full(len(rewards), 10.0))[lit].tolist()


def rare(rng: np.random.Generator, number: int) -> np.ndarray:
    """Rewards with a mean of 0, of which one in 25 is not 0."""
    return np.where(rng.random(number) < 0.04, rng.choice([-5.0, 5.0], number), 0.0)


def earned(rewards: list[float], weights: list[float]) -> Earned:
    one = Earned()
    for reward, weight in zip(rewards, weights, strict=True):
        one = one.add(reward, 0, 10**15, weight)
    return one


@pytest.mark.parametrize("hides", ["none", "most", "some"])
def test_thompson_is_as_sure_of_equal_arms_as_it_says(hides: str) -> None:
    """One of two equal arms has more than 95 % in a tenth of all worlds."""
    rng, worlds = np.random.default_rng(5), 250
    sure = 0
    for _ in range(worlds):
        arms = {arm: earned(*seen(rare(rng, 800), hides, rng)) for arm in "ab"}
        sure += max(Thompson(explore=0).distribution(arms).values()) > 0.95
    assert sure <= binom.ppf(0.999, worlds, 0.1)


def test_thompson_finds_the_better_arm_among_those_that_are_mostly_hidden() -> None:
    rng = np.random.default_rng(6)
    worse, better = (seen(rng.normal(mean, 1, 3_000), "most", rng) for mean in (0.0, 0.4))
    found = Thompson(explore=0).distribution({"a": earned(*worse), "b": earned(*better)})
    assert found["b"] > 0.99


def test_noise_is_what_the_mean_varies_by() -> None:
    """Beside the sum over the rewards themselves, and s² / n where they weigh alike."""
    rng = np.random.default_rng(7)
    rewards, weights = rng.normal(3, 2, 40), rng.choice([1.0, 10.0], 40)
    one = earned(rewards.tolist(), weights.tolist())
    away = rewards - np.average(rewards, weights=weights)
    assert one.noise == pytest.approx(float((weights**2 * away**2).sum()))
    ten = earned(rewards.tolist(), [10.0] * 40)
    assert math.sqrt(ten.noise) / ten.weight == pytest.approx(rewards.std() / math.sqrt(40))


def test_a_correction_takes_the_noise_back_too() -> None:
    kept = Earned().add(1.0, HOUR, HOUR, 10.0).add(-1.0, 2 * HOUR, HOUR)
    added = kept.add(0.2, 5 * HOUR, HOUR, 10.0).add(0.7, HOUR, HOUR, 4.0)
    back = added.add(0.2, 5 * HOUR, HOUR, -10.0).add(0.7, HOUR, HOUR, -4.0)
    assert back._asdict() == pytest.approx(kept.at(5 * HOUR, HOUR)._asdict())


def test_a_posterior_of_before_weights_were_kept_twice_is_read_as_of_weight_one() -> None:
    one = earned([1.0, 2.0, 4.0], [1.0] * 3)
    assert Earned.of(one._asdict()) == one
    old = {n: 0.0 if n.endswith("twice") else value for n, value in one._asdict().items()}
    assert Earned.of(old) == one
