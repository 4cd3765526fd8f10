"""Inclusion frequencies over thousands of seeded runs against theory, by chi-squared.

A test's tolerance is a p-value of 1e-4 under the theory: with the seeds fixed the outcome is fixed,
and a biased reservoir fails (`test_a_biased_reservoir_is_caught`).
For sampling without replacement the counts of items are negatively correlated; with inclusion
probability p the statistic sum((count - Rp)^2 / (Rp(1-p))) * (n-1)/n is chi-squared with n-1
degrees of freedom in the limit of many runs R. Of the other kinds: `test_inclusion.py`.
"""

import math
import pickle
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from online_models.samples.reservoirs import Decayed, Stratified, Uniform, Weighted

RUNS = 3_000
SIZE = 8


def uniform_p(samples: Iterable[list[int]], n: int) -> float:
    """The p-value of uniform inclusion of 0..n-1 in samples of SIZE."""
    counts, runs = Counter[int](), 0
    for sample in samples:
        assert len(set(sample)) == len(sample) == SIZE
        counts.update(sample)
        runs += 1
    p = SIZE / n
    squares = sum((counts[i] - runs * p) ** 2 for i in range(n)) / (runs * p * (1 - p))
    return float(chi2.sf(squares * (n - 1) / n, n - 1))


def batches(n: int, seed: int) -> list[range]:
    """0..n-1 cut at seeded places."""
    cuts = sorted({0, n, *np.random.default_rng(seed).integers(0, n + 1, 3).tolist()})
    return [range(a, b) for a, b in pairwise(cuts)]


def filled(n: int, seed: int, first: int = 0) -> Uniform[int]:
    reservoir: Uniform[int] = Uniform(SIZE, seed)
    for batch in batches(n, seed):
        reservoir.extend([first + i for i in batch])
    return reservoir


@pytest.mark.parametrize("n", [0, 3, SIZE])
def test_short_streams_are_kept_whole(n: int) -> None:
    assert sorted(filled(n, 1).items) == list(range(n))


def crashed(n: int, seed: int) -> Uniform[int]:
    """A stream of which a third was offered before a crash, the rest to what was recovered."""
    before = filled(n // 3, seed)
    reservoir: Uniform[int] = pickle.loads(pickle.dumps(before))
    reservoir.extend(range(n // 3, n))
    return reservoir


@pytest.mark.parametrize("make", [filled, crashed])
@pytest.mark.parametrize("n", [SIZE + 1, 30, 400])
def test_every_item_is_included_alike(n: int, make: Callable[[int, int], Uniform[int]]) -> None:
    assert uniform_p((make(n, seed).items for seed in range(RUNS)), n) > 1e-4


def test_tenths_of_a_stream_much_longer_than_the_sample_are_included_alike() -> None:
    n = 200_000
    counts = Counter(item * 10 // n for seed in range(RUNS) for item in long(n, seed).items)
    expected = RUNS * SIZE / 10  # n is so much larger than SIZE that the draws are independent
    assert chi2.sf(sum((counts[i] - expected) ** 2 / expected for i in range(10)), 9) > 1e-4


def long(n: int, seed: int) -> Uniform[int]:
    """Half of the stream before a crash."""
    reservoir: Uniform[int] = Uniform(SIZE, seed)
    reservoir.extend(range(n // 2))
    reservoir = pickle.loads(pickle.dumps(reservoir))
    reservoir.extend(range(n // 2, n))
    return reservoir


def test_many_unequal_crashed_workers_merge_uniformly_and_go_on() -> None:
    sizes = [0, 1, 7, 8, 9, 40, 3, 25]
    starts = np.cumsum([0, *sizes]).tolist()

    def merged(seed: int) -> list[int]:
        one: Uniform[int] = Uniform(SIZE, 100 * seed)
        for number, (size, start) in enumerate(zip(sizes, starts, strict=False)):
            one.merge(filled(size, 100 * seed + number + 1, first=start))
        one = pickle.loads(pickle.dumps(one))
        one.extend(range(starts[-1], starts[-1] + 30))
        return one.items

    assert uniform_p((merged(seed) for seed in range(2_000)), starts[-1] + 30) > 1e-4


@pytest.mark.parametrize(("n", "m"), [(3, 30), (5, 3), (30, 30), (20, 200)])
def test_merging_samples_the_union_uniformly(n: int, m: int) -> None:
    def merged(seed: int) -> list[int]:
        one = filled(n, 2 * seed)
        one.merge(filled(m, 2 * seed + 1, first=n))
        return one.items

    if n + m <= SIZE:
        assert sorted(merged(0)) == list(range(n + m))
    else:
        assert uniform_p((merged(seed) for seed in range(RUNS)), n + m) > 1e-4


def test_a_merged_reservoir_goes_on_uniformly() -> None:
    def merged(seed: int) -> list[int]:
        one = filled(25, 2 * seed)
        one.merge(filled(15, 2 * seed + 1, first=25))
        one.extend(range(40, 60))
        return one.items

    assert uniform_p((merged(seed) for seed in range(RUNS)), 60) > 1e-4


def test_three_unequal_workers_merge_uniformly() -> None:
    def merged(seed: int) -> list[int]:
        one = filled(4, 3 * seed)
        one.merge(filled(50, 3 * seed + 1, first=4))
        one.merge(filled(12, 3 * seed + 2, first=54))
        return one.items

    assert uniform_p((merged(seed) for seed in range(RUNS)), 66) > 1e-4


def test_a_biased_reservoir_is_caught() -> None:
    def biased(seed: int) -> list[int]:
        one, other = filled(20, 2 * seed), filled(40, 2 * seed + 1, first=20)
        rng = np.random.default_rng(seed)
        return [int(i) for i in rng.choice(one.items + other.items, SIZE, replace=False)]

    assert uniform_p((biased(seed) for seed in range(RUNS)), 60) < 1e-4


def test_cost_falls_with_the_stream() -> None:
    reservoir: Uniform[int] = Uniform(SIZE, 5)
    jumps = 0
    original = reservoir._jump

    def counted() -> None:
        nonlocal jumps
        jumps += 1
        original()

    reservoir._jump = counted  # type: ignore[method-assign]
    reservoir.extend(range(1_000_000))
    expected = SIZE * math.log(1_000_000 / SIZE)
    assert jumps < 2 * expected


def offer(reservoir: Uniform[int] | Weighted[int], items: range) -> None:
    if isinstance(reservoir, Weighted):
        reservoir.extend(items, [math.log1p(i % 4) for i in items])
    else:
        reservoir.extend(items)


def weighted(n: int, seed: int) -> Weighted[int]:
    reservoir: Weighted[int] = Weighted(SIZE, seed)
    for batch in batches(n, seed):
        reservoir.extend(batch, [math.log1p(i % 4) for i in batch])
    return reservoir


@pytest.mark.parametrize("make", [filled, weighted])
def test_resume_equals_uninterrupted(make: Callable[[int, int], Uniform[int]]) -> None:
    whole, stopped = make(50, 9), make(50, 9)
    resumed = pickle.loads(pickle.dumps(stopped))
    for reservoir in (whole, resumed):
        offer(reservoir, range(50, 500))
    assert whole.items == resumed.items


def adds_up(sums: Iterable[float], true: float) -> bool:
    """Whether the sums' mean is within 4 standard errors of the truth, and those within 3 %."""
    found = np.array(list(sums))
    error = found.std(ddof=1) / math.sqrt(len(found))
    return bool(error < 0.03 * true and abs(found.mean() - true) < 4 * error)


@pytest.mark.parametrize("merge", [False, True])
def test_kept_items_stand_for_the_stream_and_for_every_part_of_it(merge: bool) -> None:
    n, logs = 60, [math.log1p(i % 4) for i in range(60)]
    wholes, parts, flat, untold = [], [], [], []
    for seed in range(RUNS):
        one: Weighted[int] = Weighted(SIZE, 2 * seed)
        one.extend(range(20 if merge else n), logs[: 20 if merge else n])
        if merge:
            two: Weighted[int] = Weighted(SIZE, 2 * seed + 1)
            two.extend(range(20, n), logs[20:])
            one.merge(pickle.loads(pickle.dumps(two)))
        weights = one.stands_for([logs[i] for i in one.items])
        wholes.append(sum(weights))
        parts.append(sum(w for i, w in zip(one.items, weights, strict=True) if i % 4 < 2))
        flat.append(n / SIZE * sum(i % 4 < 2 for i in one.items))
        untold.append(sum(weights) * SIZE / (SIZE - 1))  # as if the threshold's item stood for some
    assert adds_up(wholes, n)
    assert adds_up(parts, n / 2)
    assert not adds_up(flat, n / 2)
    assert not adds_up(untold, n)


@pytest.mark.parametrize("n", [3, SIZE])
def test_items_that_were_all_kept_stand_for_themselves(n: int) -> None:
    assert weighted(n, 1).stands_for([0.0] * n) == [1.0] * n


@pytest.mark.parametrize("kind", [Uniform, Weighted])
def test_only_reservoirs_of_one_size_and_of_seeds_of_their_own_merge(kind: Any) -> None:
    one = kind(SIZE, 1)
    with pytest.raises(ValueError, match=f"sizes {SIZE} and 3 differ; expected the same"):
        one.merge(kind(3, 2))
    with pytest.raises(ValueError, match="both drew from the seed 1; expected one of its own"):
        one.merge(kind(SIZE, 1))
    one.merge(kind(SIZE, 2))
    with pytest.raises(ValueError, match="both drew from the seed 2"):
        one.merge(kind(SIZE, 2))


def test_weights_must_be_finite_and_one_an_item() -> None:
    reservoir: Weighted[int] = Weighted(2, 0)
    for bad in ([0.0], [0.0, math.nan], [0.0, math.inf]):
        with pytest.raises(ValueError, match="one finite number an item"):
            reservoir.extend([1, 2], bad)
    assert reservoir.seen == 0


@pytest.mark.parametrize("kind", ["uniform", "weighted", "decayed", "stratified"])
def test_where_a_batch_begins_decides_nothing(kind: str) -> None:
    def kept(cuts: list[range]) -> tuple[list[int], bytes]:
        reservoir: Any
        more: Any
        if kind == "uniform":
            reservoir, more = Uniform(SIZE, 3), None
        elif kind == "weighted":
            reservoir, more = Weighted(SIZE, 3), lambda i: math.log1p(i % 4)
        elif kind == "decayed":
            reservoir, more = Decayed(SIZE, 50, 3), lambda i: i
        else:
            reservoir, more = Stratified(SIZE, 3), lambda i: str(i % 7)
        for cut in cuts:
            reservoir.extend(cut, *([list(map(more, cut))] if more else []))
        return reservoir.items, pickle.dumps(reservoir)

    whole = kept([range(i, i + 1) for i in range(2_000)])
    assert all(kept(batches(2_000, seed)) == whole for seed in range(5))


def test_strata_keep_their_share_however_rare() -> None:
    reservoir: Stratified[int] = Stratified(10, seed=3)
    labels = ["fraud" if i % 500 == 0 else "genuine" for i in range(10_000)]
    reservoir.extend(range(10_000), labels)
    kept = Counter(labels[i] for i in reservoir.items)
    assert kept == {"fraud": 10, "genuine": 10}
    seen = {name: stratum.seen for name, stratum in reservoir.strata.items()}
    assert seen == {"fraud": 20, "genuine": 9_980}


def test_strata_merge_one_by_one_and_are_bounded() -> None:
    one: Stratified[int] = Stratified(4, seed=1, limit=2)
    one.extend(range(10), ["a"] * 5 + ["b"] * 5)
    two: Stratified[int] = Stratified(4, seed=2, limit=2)
    two.extend(range(10, 20), ["a"] * 5 + ["c"] * 5)
    one.merge(two)
    assert one.strata.keys() == {"a", "b", Stratified.OTHER}
    assert one.seen == 20
    assert all(len(stratum.items) == 4 for stratum in one.strata.values())
