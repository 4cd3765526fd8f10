"""A stream that brings more records than can be held is watched with all of them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from online_models.drift import Budget, Column, Watch
from online_models.drift.reference import BUSY, KEPT, MOST_PACKETS, Reference, Sampled
from schemas.declare import DAY, Drift

DRIFT = Drift(warm_up=0, reference=12 * DAY, long=3)
COLUMNS = (Column("feature", "a"),)
A_DAY, BUSY_ENOUGH = 20_000, 4_000
F8 = NDArray[np.float64]


def times(values: F8, a_day: int = A_DAY) -> NDArray[np.int64]:
    return np.arange(len(values), dtype=np.int64) * (DAY // a_day) + 1_000 * DAY


def quiet(days: int, seed: int, a_day: int = A_DAY) -> F8:
    return np.random.default_rng(seed).normal(0, 1, (days * a_day, 1))


def fresh() -> Watch:
    return Watch("d", COLUMNS, Budget(DRIFT, inputs=2, arms=1), seed=1)


def watched(values: F8, a_day: int = A_DAY) -> list[dict[str, Any]]:
    return fresh().take(times(values, a_day), values, [()] * len(values))


def sampled(a_day: int, drift: Drift = DRIFT) -> Sampled:
    """Of a reference that is taken in day by day until it is complete."""
    reference = Reference(drift, COLUMNS, 1_000 * DAY, seed=1)
    draw, now = np.random.default_rng(1), reference.start
    while now < reference.end:
        reference.turn(now)
        values = draw.normal(0, 1, (a_day, 1))
        reference.add(now + times(values, a_day) - 1_000 * DAY, values, [()] * a_day)
        now += DAY
    made = reference.sampled()
    assert made
    return made


@pytest.mark.parametrize("a_day", [500, BUSY * KEPT - 48, A_DAY])
def test_blocks_of_the_reference_are_as_full_as_those_of_windows(a_day: int) -> None:
    made = sampled(a_day)
    by_count, by_time = made.by_count.sum((1, 2, 3)), made.by_time.sum((1, 2, 3))
    thinned = min(1.0, KEPT / a_day) if a_day <= BUSY * KEPT else 1.0
    assert by_count.mean() == pytest.approx(made.records * thinned, rel=0.02)
    assert by_time.mean() == pytest.approx(a_day * thinned)
    assert made.every == pytest.approx(made.records / a_day * DAY)
    assert len(made.by_time) == 10 if a_day < A_DAY else 11


def test_a_very_busy_reference_is_cut_into_so_many_packets() -> None:
    made = sampled(60_000)
    assert made.records == 60_000 * 12 // MOST_PACKETS
    assert len(made.by_count) == MOST_PACKETS


def test_a_small_shift_is_found_within_a_day() -> None:
    """A tenth of a deviation: in a sample of a thousand a day it would be chance."""
    values = quiet(18, 1)
    values[16 * A_DAY :] += 0.1
    (first, *_) = [record for record in watched(values) if record["state"] == "opened"]
    assert first["direction"] in ("up", "shape")
    assert 16 <= (first["opened"] - 1_000 * DAY) / DAY < 17.1


def test_false_alarms_keep_to_the_budget() -> None:
    number, days, false = 5, 30, 0
    for seed in range(number):
        told = watched(quiet(days, seed, BUSY_ENOUGH), BUSY_ENOUGH)
        false += sum(record["state"] == "opened" for record in told)
    allowed = number * (days - 16) / 30 * DRIFT.false_alarms / 8
    assert false <= stats.poisson.ppf(0.999, allowed)


def test_batches_and_pickling_change_nothing() -> None:
    values = quiet(20, 3, BUSY_ENOUGH)
    values[17 * BUSY_ENOUGH :] += 0.5
    whole, out = watched(values, BUSY_ENOUGH), []
    watch, at = fresh(), times(values, BUSY_ENOUGH)
    for first in range(0, len(values), 5_555):
        part = slice(first, first + 5_555)
        out += watch.take(at[part], values[part], [()] * len(at[part]))
        watch = pickle.loads(pickle.dumps(watch))
    assert out == whole
    assert whole
