from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.load import arrivals


def test_the_same_seed_gives_the_same_schedule_and_another_a_different_one() -> None:
    first, again, other = (arrivals.poisson(1000, 5000, seed) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(arrivals.zipf(50, 5000, 7), arrivals.zipf(50, 5000, 7))


def test_gaps_are_exponential_with_the_rate() -> None:
    gaps = np.diff(arrivals.poisson(1000, 20_000, 3)) / 1e9
    assert stats.kstest(gaps, "expon", args=(0, 1 / 1000)).pvalue > 0.001


def test_choices_follow_zipf() -> None:
    counts = np.sort(np.bincount(arrivals.zipf(20, 50_000, 3), minlength=20))[::-1]
    expected = 1 / np.arange(1, 21)
    expected *= counts.sum() / expected.sum()
    assert stats.chisquare(counts, expected).pvalue > 0.001


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        arrivals.poisson(0, 10, 1)
    with pytest.raises(ValueError, match="no request"):
        arrivals.zipf(0, 10, 1)
