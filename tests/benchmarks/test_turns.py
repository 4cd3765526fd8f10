"""Goals of figures in turns: what is called met, missed, and neither."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.turns import Goal, misses, spread


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ((3.1, 2.0, 3.5), "met"),
        ((3.0,), "met"),
        ((2.9, 2.0, 3.5), "within the spread"),
        ((2.9, 2.0, 2.99), "not met"),
        ((2.9, 2.0), "too few turns"),
        ((), "not measured"),
    ],
)
def test_a_goal_is_missed_where_every_one_of_enough_turns_is(
    found: Sequence[float], verdict: str
) -> None:
    goal = Goal("ours ÷ theirs", 3.0, found)
    assert str(goal) == f"≥ 3: {verdict}"
    upside_down = Goal("ours ÷ theirs", -3.0, [-each for each in found], at_most=True)
    assert str(upside_down) == f"≤ -3: {verdict}"
    assert bool(misses([goal])) is (verdict == "not met")


def test_what_just_reaches_its_goal_is_missed_once_in_eight_with_three_turns() -> None:
    turns = np.random.default_rng(4).lognormal(0.0, 0.1, (800, 3)).tolist()
    called = sum(bool(misses([Goal("x", 1.0, each)])) for each in turns)
    assert called == pytest.approx(100, abs=3 * (800 / 8 * 7 / 8) ** 0.5)


def test_the_spread_is_told_with_the_median() -> None:
    assert [spread(each) for each in ((), (2.0,), (3.0, 1.0, 1.5))] == [
        "",
        "2.00",
        "1.50 (1.00 to 3.00)",
    ]
