"""Intervals of means of rare, uneven rewards: they hold the truth where normal ones do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from online_models.routes.intervals import Floats, Unsupported, interval

LOGS, DRAWS = 600, 5_000


def frauds(seed: int, seen: float) -> Floats:
    """In the mean so many log-normal amounts among draws that earn nothing."""
    rng = np.random.default_rng(seed)
    amounts = np.exp(rng.normal(5.0, 0.8, rng.poisson(seen)))
    return np.concatenate([amounts, np.zeros(DRAWS - len(amounts))])


def reach(rewards: Floats) -> tuple[float, float, float]:
    mean = float(rewards.mean())
    return mean, *interval(rewards - mean, DRAWS, float(rewards.max()), 0.95)


@pytest.mark.parametrize("seen", [8.0, 20.0, 80.0])
def test_intervals_of_rare_rewards_hold_the_truth_where_normal_ones_do_not(seen: float) -> None:
    truth, right, normal, judged = seen * np.exp(5.0 + 0.32) / DRAWS, [], [], 0
    for seed in range(LOGS):
        rewards = frauds(seed, seen)
        normal.append(abs(rewards.mean() - truth) < 1.96 * rewards.std() / DRAWS**0.5)
        try:
            mean, below, above = reach(rewards)
        except Unsupported:
            continue
        judged += 1
        right.append(mean - below <= truth <= mean + above)
    assert judged > 0.9 * LOGS
    error = np.sqrt(0.95 * 0.05 / judged)
    assert abs(np.mean(right) - 0.95) <= 3 * error + 0.005
    assert seen > 20.0 or np.mean(normal) < 0.95 - 3 * error


def test_it_reaches_further_to_where_the_rare_rewards_are() -> None:
    _, below, above = reach(frauds(1, 20.0))
    assert 0 < below < above
    _, under, over = reach(-frauds(1, 20.0) + 0.0)
    assert under == pytest.approx(above)
    assert over == pytest.approx(below)


def test_of_even_rewards_it_is_the_normal_one() -> None:
    sums = np.tile([-1.0, 1.0], 500)
    below, above = interval(sums, 1_000, 0.0, 0.9)
    assert below == pytest.approx(above)
    assert above == pytest.approx(norm.ppf(0.95) * (1000 / 999) ** 0.5 / 1000**0.5)


def test_one_more_of_the_largest_must_not_change_the_picture() -> None:
    sums = np.tile([-1.0, 1.0], 500)
    interval(sums, 1_000, 10.0, 0.95)
    with pytest.raises(Unsupported, match="rare or uneven: 1000 draws, expected"):
        interval(sums, 1_000, 100.0, 0.95)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_rewards_without_end_give_no_interval(wrong: float) -> None:
    with pytest.raises(Unsupported, match="finite"):
        interval(np.array([1.0, -1.0, wrong]), 3, 1.0, 0.95)
