"""Policies give probabilities that are what they say, and earn more than chance."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from online_models.routes.earned import Earned
from online_models.routes.policies import (
    EpsilonGreedy,
    Policy,
    PolicyError,
    Split,
    Thompson,
    UpperConfidence,
    choose,
)

HOUR = 3_600_000
LEARNING: list[Policy] = [EpsilonGreedy(), UpperConfidence(), Thompson()]


def earn(rewards: dict[str, list[float]], half_life: int = 10**12) -> dict[str, Earned]:
    earned = {}
    for arm, values in rewards.items():
        earned[arm] = Earned()
        for value in values:
            earned[arm] = earned[arm].add(value, 0, half_life)
    return earned


@pytest.mark.parametrize("policy", [*LEARNING, Split({"a": 1, "b": 3})], ids=lambda p: p.name)
@pytest.mark.parametrize("rewards", [{"a": [], "b": []}, {"a": [1.0], "b": [0.0] * 5}])
def test_a_distribution_sums_to_one(policy: Policy, rewards: dict[str, list[float]]) -> None:
    distribution = policy.distribution(earn(rewards))
    assert sum(distribution.values()) == pytest.approx(1)
    assert min(distribution.values()) >= 0


def test_split_gives_its_shares_and_only_to_arms_that_are_there() -> None:
    split = Split({"a": 1, "b": 3, "gone": 4})
    assert split.distribution(earn({"a": [], "b": []})) == {"a": 0.25, "b": 0.75}
    with pytest.raises(PolicyError, match="none of its arms"):
        Split({"gone": 1}).distribution(earn({"a": []}))


def test_epsilon_greedy_puts_the_rest_on_the_best() -> None:
    distribution = EpsilonGreedy(0.2).distribution(earn({"a": [1.0], "b": [0.0]}))
    assert distribution == pytest.approx({"a": 0.9, "b": 0.1})


def test_ucb_prefers_the_arm_it_knows_less() -> None:
    earned = earn({"known": [0.4, 0.6] * 50, "new": [0.4, 0.6]})
    distribution = UpperConfidence(explore=0).distribution(earned)
    assert distribution == {"known": 0.0, "new": 1.0}


def test_thompson_probabilities_are_those_of_drawing() -> None:
    rng = np.random.default_rng(0)
    rewards = {
        arm: rng.normal(mean, 1, n).tolist()
        for arm, mean, n in (("a", 0.0, 30), ("b", 0.2, 10), ("c", -0.3, 80))
    }
    earned = earn(rewards)
    exact = Thompson(explore=0).distribution(earned)
    weights = np.array([e.weight for e in earned.values()]) + 1
    totals = np.array([e.total for e in earned.values()])
    means = (totals + totals.sum() / (weights.sum() - 3)) / weights
    within = np.array([np.var(values) * len(values) for values in rewards.values()])
    variances = (within + within.sum() / 120) / weights
    draws = rng.normal(means, np.sqrt(variances / weights), (200_000, 3)).argmax(axis=1)
    drawn = np.bincount(draws, minlength=3) / 200_000
    assert list(exact.values()) == pytest.approx(drawn.tolist(), abs=0.005)


def test_rewards_in_any_order_earn_the_same() -> None:
    rewards = [(0.3, 5 * HOUR), (1.0, HOUR), (-2.0, 9 * HOUR), (0.5, 0)]
    one, two = Earned(), Earned()
    for reward, time in rewards:
        one = one.add(reward, time, HOUR)
    for reward, time in reversed(rewards):
        two = two.add(reward, time, HOUR)
    for a, b in zip(
        (one.weight, one.total, one.squares), (two.weight, two.total, two.squares), strict=True
    ):
        assert a == pytest.approx(b)


def test_a_correction_takes_back_what_it_replaces() -> None:
    kept = Earned().add(1.0, HOUR, HOUR)
    corrected = kept.add(0.2, 3 * HOUR, HOUR).add(0.2, 3 * HOUR, HOUR, weight=-1)
    assert corrected.total == pytest.approx(kept.at(3 * HOUR, HOUR).total)
    assert corrected.weight == pytest.approx(kept.at(3 * HOUR, HOUR).weight)


def test_chosen_as_often_as_the_distribution_says_and_always_alike() -> None:
    distribution = {"a": 0.1, "b": 0.6, "c": 0.3}
    chosen = [choose(distribution, f"customer-{i}") for i in range(20_000)]
    counts = Counter(arm for arm, _ in chosen)
    found = [counts[arm] for arm in distribution]
    expected = [20_000 * p for p in distribution.values()]
    assert chisquare(found, expected).pvalue > 0.001
    assert all(distribution[arm] == pytest.approx(propensity) for arm, propensity in chosen)
    assert chosen == [choose(distribution, f"customer-{i}") for i in range(20_000)]


def test_without_an_arm_only_its_units_move_and_by_the_others_shares() -> None:
    whole, left = {"a": 0.2, "b": 0.5, "c": 0.3}, {"b": 0.5, "c": 0.3}
    units = [f"u{i}" for i in range(20_000)]
    before = {unit: choose(whole, unit)[0] for unit in units}
    after = {unit: choose(left, unit) for unit in units}
    assert all(before[unit] in {"a", after[unit][0]} for unit in units)
    moved = Counter(after[unit][0] for unit in units if before[unit] == "a")
    expected = [moved.total() * 0.625, moved.total() * 0.375]
    assert chisquare([moved["b"], moved["c"]], expected).pvalue > 0.001
    assert all(p == pytest.approx(left[arm] / 0.8) for arm, p in after.values())


def test_a_growing_share_moves_units_only_to_its_arm() -> None:
    small, large = {"old": 0.95, "new": 0.05}, {"old": 0.75, "new": 0.25}
    units = [f"u{i}" for i in range(2_000)]
    assert all(choose(large, unit)[0] == "new" for unit in units if choose(small, unit)[0] == "new")


def test_one_arm_is_certain_and_none_is_refused() -> None:
    assert choose({"a": 0.3, "b": 0.0}, "u") == ("a", 1.0)
    with pytest.raises(PolicyError, match="above 0"):
        choose({"a": 0.0}, "u")


def regret(policy: Policy, half_life: int, seed: int) -> float:
    """Mean regret over 3,000 rewards of three arms, the best of which changes half way."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0.3, 0.1], [0.4, 0.0, 0.1]])
    earned = {arm: Earned() for arm in "abc"}
    lost = 0.0
    for step in range(3_000):
        now = means[step // 1_500]
        arm, _ = choose(policy.distribution(earned), f"{seed}.{step}")
        index = "abc".index(arm)
        lost += now.max() - now[index]
        earned[arm] = earned[arm].add(float(rng.normal(now[index], 0.5)), step, half_life)
    return lost / 3_000


@pytest.mark.parametrize("policy", LEARNING, ids=lambda p: p.name)
def test_learning_policies_beat_chance_through_a_change(policy: Policy) -> None:
    chance = regret(Split({"a": 1, "b": 1, "c": 1}), 400, seed=1)
    assert regret(policy, 400, seed=1) < 0.5 * chance


def test_discounting_pays_when_the_world_changes() -> None:
    assert regret(Thompson(), 400, seed=2) < 0.8 * regret(Thompson(), 10**9, seed=2)
