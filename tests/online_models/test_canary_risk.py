"""A canary retreats from an equal arm as rarely as it says, however often it looks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from online_models.routes.canary import FEW, RETREATED, RUNNING, Canary, Looks
from online_models.routes.specs import CANARY
from tests.online_models.test_canary import SPEC, answer
from tests.online_models.test_earned import rare, seen

WORLDS = 200
MOST = binom.ppf(0.999, WORLDS, 0.01)
"""Retreats of 200 that a risk of 1 % exceeds once in a thousand times."""


def ends(rewards: list[float], weights: list[float], new: list[bool] | None = None) -> str:
    """How a canary ends that is told rewards: differences of pairs, or of one arm each."""
    canary = Canary(SPEC)
    for number, (reward, weight) in enumerate(zip(rewards, weights, strict=True)):
        if new is None or new[number]:
            canary.reward("tree", reward, weight)
        if new is None or not new[number]:
            canary.reward("logistic", reward if new else 0.0, weight)
        if canary.outcome == RETREATED:
            break
    return canary.outcome


def test_equal_arms_in_pairs() -> None:
    rng = np.random.default_rng(1)
    found = [ends(rng.normal(0, 1, 250).tolist(), [1.0] * 250) for _ in range(WORLDS)]
    assert found.count(RETREATED) <= MOST


@pytest.mark.parametrize(("hides", "share", "number"), [("some", 0.5, 600), ("none", 0.05, 700)])
def test_equal_arms_whose_gains_are_rare(hides: str, share: float, number: int) -> None:
    """The new arm of a small stage may have had none of them yet."""
    rng, found = np.random.default_rng(2), []
    for _ in range(WORLDS):
        rewards, weights = seen(abs(rare(rng, number)), hides, rng)
        found.append(ends(rewards, weights, (rng.random(len(rewards)) < share).tolist()))
    assert found.count(RETREATED) <= MOST


@pytest.mark.parametrize(("hides", "number"), [("none", 250), ("most", 2_500)])
def test_a_worse_arm_is_found(hides: str, number: int) -> None:
    """Half a standard deviation worse: a look at 240 pairs sees nearly eight times their error."""
    rng = np.random.default_rng(3)
    found = [ends(*seen(rng.normal(-0.5, 1, number), hides, rng)) for _ in range(40)]
    assert found.count(RETREATED) >= 36


def test_an_arm_that_loses_rarely_but_much_is_found() -> None:
    rng, found = np.random.default_rng(4), []
    new = [bool(number % 2) for number in range(4_000)]
    for _ in range(10):
        worse = np.where(rng.random(4_000) < 0.04, -5.0, 0.0)
        both = np.where(new, worse, rare(rng, 4_000)).tolist()
        found.append(ends(both, [1.0] * 4_000, new))
    assert found.count(RETREATED) >= 9


def test_looks_double_and_never_spend_all_of_the_risk() -> None:
    looks = Looks(0.01)
    spent = {records: risk for records in range(100_000) if (risk := looks.due(records, False))}
    assert list(spent) == [FEW * 2**k for k in range(12)]
    assert sum(spent.values()) < 0.01
    assert looks.due(100_000, True) == pytest.approx(0.01 / 2**13)


def slowed(by: float, rng: np.random.Generator) -> str:
    """How a canary ends: both arms take 1 ms, now and then 11 ms, and the new one `by` more."""
    canary = Canary(SPEC)
    for number, hiccup in enumerate((rng.random((150, 2)) < 0.1).tolist()):
        canary.prediction(answer(number, ms=1.0 + 10.0 * hiccup[0] + by))
        canary.prediction(answer(1_000 + number, arm="logistic", ms=1.0 + 10.0 * hiccup[1]))
    return canary.outcome


def test_hiccups_are_not_slow_but_slow_answers_are() -> None:
    """Times that a watchdog lets through: below 20 ms."""
    rng, limit = np.random.default_rng(5), CANARY["slow_ms"]
    assert [slowed(limit, rng) for _ in range(WORLDS)].count(RETREATED) <= MOST
    assert [slowed(limit + 3.0, rng) for _ in range(40)].count(RETREATED) >= 36


def test_one_hiccup_is_not_slow() -> None:
    """Thirty answers of which one took 700 ms: 24 ms on average."""
    canary = Canary(SPEC)
    for number in range(130):
        canary.prediction(answer(number, ms=700.0 if number == 7 else 1.0))
        canary.prediction(answer(1_000 + number, arm="logistic"))
    assert canary.outcome == RUNNING


def test_a_second_copy_of_an_answer_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("online_models.routes.canary.REMEMBERED", 5)
    canary = Canary(SPEC)
    for number in [0, 1, 2, 1, 0, 3, 4, 5, 2]:
        canary.prediction(answer(number, failed=True))
    assert (canary.answers, canary.failed, len(canary.seen._ids)) == (6, 6, 5)
