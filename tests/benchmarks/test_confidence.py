from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats

from benchmarks.freshness.delays import delay
from benchmarks.latency import confidence
from benchmarks.latency.confidence import Decision


def cdf(k: int, n: int, p: float) -> float:
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


@pytest.mark.parametrize("overruns", [0, 1, 2, 5, 10])
def test_requests_needed_are_the_fewest_that_the_binomial_sum_allows(overruns: int) -> None:
    n = confidence.needed(overruns, 0.99, 0.99)
    assert cdf(overruns, n, 0.01) <= 0.01 < cdf(overruns, n - 1, 0.01)


def test_without_overruns_459_requests_show_a_p99() -> None:
    assert confidence.needed(0, 0.99, 0.99) == 459


def test_the_looks_of_a_server_exactly_at_its_limit_pass_it_at_most_once_in_a_hundred() -> None:
    looks = confidence.plan_looks([500, 1000, 2000, 4000], 0.99, 0.99)
    rng = np.random.default_rng(5)
    passed = refused = 0
    for _ in range(20_000):
        overran = np.cumsum(rng.random(4000) < 0.01)
        decisions = (confidence.decide(int(overran[k.requests - 1]), k) for k in looks)
        decided = next((d for d in decisions if d is not Decision.UNDECIDED), None)
        passed += decided is Decision.INSIDE
        refused += decided is Decision.OUTSIDE
    tolerance = 3 * (0.01 * 0.99 * 20_000) ** 0.5
    assert 0 < passed <= 200 + tolerance
    assert 0 < refused <= 200 + tolerance


def test_looking_each_time_at_the_full_error_would_pass_it_more_often() -> None:
    """The fault that spending the error guards against."""
    looks = [confidence.plan_looks([n], 0.99, 0.99)[0] for n in (500, 1000, 2000, 4000)]
    rng = np.random.default_rng(5)
    passed = 0
    for _ in range(20_000):
        overran = np.cumsum(rng.random(4000) < 0.01)
        passed += any(overran[look.requests - 1] <= look.inside for look in looks)
    assert passed > 300


def test_clopper_pearson_of_no_overrun_is_the_rule_of_three() -> None:
    share = confidence.share(0, 1000, 0.95)
    assert share.low == 0
    assert share.high == pytest.approx(1 - 0.025 ** (1 / 1000))
    assert confidence.share(0, 0, 0.95).high == 1.0


def test_percentiles_are_within_the_histograms_precision() -> None:
    values = np.random.default_rng(1).lognormal(0, 1, 20_000)
    told = confidence.percentiles(values)
    for name in ("p50", "p90", "p99", "p99.9"):
        assert told[name] == pytest.approx(np.percentile(values, float(name[1:])), rel=0.02)
    assert told["max"] == values.max()
    assert confidence.percentiles(np.array([])) == {}


def test_bursts_widen_the_interval_beyond_that_of_single_requests() -> None:
    rng = np.random.default_rng(2)
    seconds = np.sort(rng.random(40_000) * 40)
    steady = rng.lognormal(0, 0.3, 40_000)
    bursty = steady * np.where(seconds.astype(int) % 20 == 3, 20, 1)
    shuffled = rng.permutation(bursty)
    together = confidence.replicates(bursty, seconds, 200, 1)[:, 2]
    single = confidence.replicates(shuffled, seconds, 200, 1)[:, 2]
    assert np.log(together).std() > 5 * np.log(single).std()


@pytest.mark.parametrize("count", [400, 6_000])
def test_intervals_miss_the_true_percentile_no_more_often_than_they_say(count: int) -> None:
    """On independent lognormals; the bootstrap alone misses the p99.9 of 400 in 65 of 100 runs."""
    tries, missed, told = 60, dict.fromkeys(confidence.PERCENTILES, 0), set[float]()
    for seed in range(tries):
        rng = np.random.default_rng([count, seed])
        values, seconds = rng.lognormal(1, 0.6, count), np.sort(rng.random(count))
        drawn = confidence.replicates(values, seconds, 400, seed)
        kept = confidence.histogram(values)
        for percentile, column in zip(confidence.PERCENTILES, drawn.T, strict=True):
            ends = confidence.interval(kept, 0, column, percentile, 0.99)
            if ends is not None:
                true = np.exp(1 + 0.6 * stats.norm.ppf(percentile / 100))
                missed[percentile] += not ends[0] <= true <= ends[1]
                told.add(percentile)
    assert told == {p for p in confidence.PERCENTILES if count > np.log(0.005) / np.log(p / 100)}
    assert max(missed.values()) <= stats.binom.isf(0.001, tries, 0.01)


def test_the_order_statistics_are_those_of_the_binomial_sum() -> None:
    kept = confidence.histogram(np.arange(1, 1_001) / 10)
    low, high = confidence.bounds(kept, 0, 50.0, 0.95) or (0.0, 0.0)
    assert (low, high) == pytest.approx((46.9, 53.2), abs=0.1)
    assert confidence.bounds(kept, 0, 99.9, 0.95) is None
    low, high = confidence.bounds(kept, 8, 99.0, 0.95) or (0.0, 0.0)
    assert low == pytest.approx(99.1, abs=0.3)
    assert high == np.inf


def test_the_p99_of_a_few_labels_has_no_interval() -> None:
    assert delay(np.array([1.0]), np.array([1.957])).interval is None
    began = np.arange(600) / 100
    assert delay(began, began + 0.1).interval == pytest.approx((100, 100), rel=0.01)
