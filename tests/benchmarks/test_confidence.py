from __future__ import annotations

from math import comb

import numpy as np
import pytest

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
