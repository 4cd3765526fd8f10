"""Estimates from logs: their intervals cover the truth as often as they say, or they refuse."""

from dataclasses import replace

import numpy as np
import pytest

from online_models.routes.intervals import Floats, Unsupported
from online_models.routes.offpolicy import Estimate, Log, doubly_robust, snips

LOGS = 400
MEANS = np.array([[0.1, 0.5, 0.3], [0.6, 0.2, 0.3]])
"""Mean reward by slice and arm."""
TARGET = np.array([[0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])
"""The judged policy's probabilities by slice and arm."""
TRUTH = float((MEANS * TARGET).sum(axis=1).mean())


def logged(seed: int, n: int = 1_500, logging: Floats | None = None) -> tuple[Log, Floats]:
    rng = np.random.default_rng(seed)
    slices = rng.integers(0, 2, n)
    behaviour = np.array([[0.5, 0.2, 0.3], [0.3, 0.3, 0.4]]) if logging is None else logging
    arm = (rng.random(n)[:, None] > behaviour[slices].cumsum(axis=1)).sum(axis=1)
    reward = rng.binomial(1, MEANS[slices, arm]).astype(float)
    log = Log(("a", "b", "c"), arm, behaviour[slices, arm], reward, slices)
    return log, TARGET[slices]


@pytest.mark.parametrize("estimator", [snips, doubly_robust])
def test_intervals_cover_the_truth_as_often_as_they_say(estimator: object) -> None:
    """Of 400 logs, 95% ± 3.3 points (three binomial standard errors) cover the truth."""
    assert callable(estimator)
    estimates: list[Estimate] = [estimator(*logged(seed)) for seed in range(LOGS)]
    covered = np.mean([e.low <= TRUTH <= e.high for e in estimates])
    assert abs(covered - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / LOGS)
    assert np.mean([e.value for e in estimates]) == pytest.approx(TRUTH, abs=0.005)


def holds(log: Log, target: Floats) -> bool:
    """Whether there is an interval that holds the truth."""
    try:
        estimate = snips(log, target)
    except Unsupported:
        return False
    return estimate.low <= TRUTH <= estimate.high


def test_ignoring_propensities_does_not_cover() -> None:
    def naive(seed: int) -> bool:
        log, target = logged(seed)
        flat = Log(log.arms, log.arm, np.full(len(log.arm), 1 / 3), log.reward, log.slices)
        return holds(flat, target)

    assert np.mean([naive(seed) for seed in range(100)]) < 0.9


def test_doubly_robust_is_tighter_where_the_slice_tells() -> None:
    pairs = [(snips(*logged(seed)), doubly_robust(*logged(seed))) for seed in range(20)]
    assert np.mean([d.high - d.low for _, d in pairs]) < np.mean([s.high - s.low for s, _ in pairs])


def test_an_arm_that_was_never_tried_is_refused_by_name() -> None:
    behaviour = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    log, target = logged(1, logging=behaviour)
    with pytest.raises(Unsupported, match=r"never tried \(c\)"):
        snips(log, target)


@pytest.mark.parametrize("estimator", [snips, doubly_robust])
def test_a_slice_in_which_the_arm_could_not_be_tried_is_refused(estimator: object) -> None:
    assert callable(estimator)
    behaviour = np.array([[0.5, 0.2, 0.3], [0.5, 0.0, 0.5]])
    log, _ = logged(1, logging=behaviour)
    with pytest.raises(Unsupported, match=r"in \d\d% of its records the log could not"):
        estimator(log, np.tile([0.0, 1.0, 0.0], (len(log.arm), 1)))


def test_only_arms_that_the_policy_chooses_are_named_as_missing() -> None:
    log, _ = logged(1, logging=np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    with pytest.raises(Unsupported, match=r"never tried \(b\)"):
        snips(log, np.tile([0.0, 1.0, 0.0], (len(log.arm), 1)))


def rare(seed: int, rate: float) -> tuple[Log, Floats]:
    """A log of rewards of 100, so rarely, that would have been had each label been the other."""
    log, _ = logged(seed, n=3_000)
    reward = np.where(np.random.default_rng(seed).random(3_000) < rate, 100.0, 0.0)
    target = np.tile([0.4, 0.3, 0.3], (3_000, 1))
    return replace(log, reward=reward, other=100.0 - reward), target


@pytest.mark.parametrize("estimator", [snips, doubly_robust])
@pytest.mark.parametrize(("rate", "most"), [(0.0003, False), (0.004, True), (0.05, True)])
def test_rewards_that_are_too_rare_are_refused_and_else_covered(
    estimator: object, rate: float, most: bool
) -> None:
    """Most logs are judged, or few; of those that are no fewer are covered than they say."""
    assert callable(estimator)
    covered = []
    for seed in range(200):
        try:
            estimate = estimator(*rare(seed, rate))
        except Unsupported:
            continue
        covered.append(estimate.low <= 100.0 * rate <= estimate.high)
    assert (len(covered) > 100) is most
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(covered))


@pytest.mark.parametrize("estimator", [snips, doubly_robust])
def test_a_log_that_has_seen_none_of_the_rare_rewards_is_refused(estimator: object) -> None:
    """It looks even: only what might have been tells that it is not."""
    assert callable(estimator)
    log, target = rare(1, 0.0)
    small = np.where(np.arange(3_000) % 7 == 0, -1.0, 0.0)
    assert estimator(replace(log, reward=small, other=None), target).high < 0
    with pytest.raises(Unsupported, match="rare or uneven"):
        estimator(replace(log, reward=small, other=np.full(3_000, 100.0)), target)


def test_rewards_that_are_alike_give_no_interval() -> None:
    log, target = logged(1)
    with pytest.raises(Unsupported, match="alike"):
        snips(replace(log, reward=np.full(len(log.arm), 0.3)), target)


def test_too_small_a_log_is_refused() -> None:
    log, target = logged(1, n=60)
    with pytest.raises(Unsupported, match="worth"):
        doubly_robust(log, target)


def test_an_empty_log_is_refused() -> None:
    none = np.zeros(0)
    log = Log(("a",), none.astype(int), none, none, none.astype(int))
    with pytest.raises(Unsupported, match="no reward"):
        snips(log, np.zeros((0, 1)))


def sticky(seed: int) -> tuple[Log, Floats]:
    """A log in which ten choices in a row are one draw, of rewards that go together."""
    log, target = logged(seed, n=300)
    rng = np.random.default_rng(seed + 10_000)
    each = np.repeat(np.arange(300), 10)
    reward = log.reward[each] + rng.normal(0, 0.1, len(each))
    many = Log(log.arms, log.arm[each], log.propensity[each], reward, log.slices[each], each)
    return many, target[each]


def test_choices_that_are_one_draw_count_as_one() -> None:
    logs = [sticky(seed) for seed in range(200)]
    right = np.mean([holds(log, target) for log, target in logs])
    blind = np.mean([holds(replace(log, units=None), target) for log, target in logs])
    assert abs(right - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 200) + 0.01
    assert blind < 0.7


@pytest.mark.parametrize("estimator", [snips, doubly_robust])
def test_outcomes_that_mostly_stay_hidden_weigh_for_those(estimator: object) -> None:
    assert callable(estimator)
    found = []
    for seed in range(100):
        log, target = logged(seed, n=4_000)
        seen = np.where(log.slices == 0, 0.2, 1.0)
        kept = np.random.default_rng(seed).random(4_000) < seen
        columns = (log.arm[kept], log.propensity[kept], log.reward[kept], log.slices[kept])
        found.append(estimator(Log(log.arms, *columns, weight=1 / seen[kept]), target[kept]))
    assert np.mean([e.value for e in found]) == pytest.approx(TRUTH, abs=0.008)
    assert np.mean([e.low <= TRUTH <= e.high for e in found]) >= 0.88
