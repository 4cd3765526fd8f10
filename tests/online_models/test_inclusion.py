"""Inclusion in weighted, decayed and stratified reservoirs against exact theory.

Streams shorter than the sample, as long, a little longer and much longer; whole, after a crash,
and merged of unequal crashed workers. A test's tolerance is a p-value of 1e-4 under the theory;
with the seeds fixed the outcome is fixed.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from online_models.samples.reservoirs import Decayed, Stratified, Weighted
from tests.online_models.inclusion import F8, inclusion_p, successive

SIZE = 8
HALF_LIFE, NOW = 3_600_000, 1_700_000_000_000

LENGTHS = [3, SIZE, SIZE + 4, 4 * SIZE, 25 * SIZE]
"""With 32 the rare stratum is as long as the sample, with 12 it is shorter, and so on."""

WAYS: dict[str, tuple[float, ...]] = {
    "whole": (1.0, 0.0),
    "crashed": (0.3, 0.7),
    "two merged": (0.2, 0.8, 0.0),
    "three merged, then more": (0.1, 0.5, 0.15, 0.25),
}
"""Shares of the stream: of each worker, and what is offered after their merge and a crash."""


def ages(n: int) -> list[int]:
    """Half-lives by which each item is younger than the oldest; every fifth comes late."""
    return [0 if i % 5 == 4 else 4 * i // n for i in range(n)]


def offered(kind: str, n: int) -> list[Any]:
    """What is told of each item beside the item."""
    if kind == "weighted":
        return [math.log1p(i % 4) for i in range(n)]
    if kind == "decayed":
        return [NOW + HALF_LIFE * age for age in ages(n)]
    return ["rare" if i % 4 == 0 else "common" for i in range(n)]


def theory(kind: str, n: int) -> F8:
    """The chance of each item."""
    if kind == "weighted":
        return successive(1.0 + np.arange(n) % 4, SIZE)
    if kind == "decayed":
        return successive(2.0 ** np.array(ages(n)), SIZE)
    rare = np.arange(n) % 4 == 0
    stratum = np.where(rare, rare.sum(), n - rare.sum())
    return np.asarray(np.minimum(1.0, SIZE / stratum))


MAKE: dict[str, Callable[[int], Any]] = {
    "weighted": lambda seed: Weighted(SIZE, seed),
    "decayed": lambda seed: Decayed(SIZE, HALF_LIFE, seed),
    "stratified": lambda seed: Stratified(SIZE, seed),
}


def samples(kind: str, n: int, shares: tuple[float, ...], runs: int) -> Iterator[list[int]]:
    """A sample of 0..n-1 a run."""
    told = offered(kind, n)
    cuts = [round(n * share) for share in np.cumsum((0.0, *shares))]
    parts = [(range(a, b), told[a:b]) for a, b in pairwise(cuts)]
    for run in range(runs):
        workers = [MAKE[kind](run * len(parts) + number) for number in range(len(parts) - 1)]
        for worker, part in zip(workers, parts, strict=False):
            worker.extend(*part)
        one, *others = (pickle.loads(pickle.dumps(worker)) for worker in workers)
        for other in others:
            one.merge(other)
        one = pickle.loads(pickle.dumps(one))
        one.extend(*parts[-1])
        assert one.seen == n
        yield one.items


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MAKE)
def test_inclusion_is_as_in_theory(kind: str, way: str, n: int) -> None:
    runs = 800 if n > SIZE else 20  # nothing is left to chance where all are kept
    found = samples(kind, n, WAYS[way], runs)
    assert inclusion_p(found, theory(kind, n), pooled=max(1, n // 20)) > 1e-4


def test_theory_is_that_of_drawing_one_after_another() -> None:
    weights = np.array([1.0, 2.0, 2.0, 5.0, 30.0])
    first = weights / weights.sum()
    second = sum(
        p * np.where(np.arange(5) == drawn, 0.0, weights / (weights.sum() - weights[drawn]))
        for drawn, p in enumerate(first)
    )
    np.testing.assert_allclose(successive(weights, 1), first, atol=1e-8)
    np.testing.assert_allclose(successive(weights, 2), first + second, atol=1e-8)


def test_p_values_are_uniform_where_the_theory_holds_and_small_where_not() -> None:
    """Fixed-size samples drawn by definition: one p-value in ten is below 0.1, none where off."""
    weights = 1.0 + np.arange(20) % 4
    exact, ranks = successive(weights, SIZE), np.random.default_rng(1)
    drawn = np.argsort(ranks.exponential(size=(200, 300, 20)) / weights, axis=2)[:, :, :SIZE]
    p = np.array([inclusion_p(runs, exact) for runs in drawn])
    assert [int((p < limit).sum()) for limit in (0.1, 0.5)] == pytest.approx([20, 100], abs=25)
    assert inclusion_p(drawn.reshape(-1, SIZE)[:2_000], np.full(20, SIZE / 20)) < 1e-4
