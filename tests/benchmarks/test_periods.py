"""The periods that the demo's report tells apart, and the steps of its lines."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from benchmarks.demo.periods import STEPS, months, periods, steps
from schemas.declare import DAY, HOUR


def ms(year: int, month: int, day: int) -> int:
    """Midnight in UTC."""
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


def test_the_second_half_is_of_the_examples() -> None:
    asked = np.array([*range(100), 10_000, 20_000])
    assert periods(asked, 0, 20_001, "UTC")["second half of the examples"] == (50, 20_001)
    assert list(periods(asked[:59], 0, 59, "UTC")) == ["whole run"]


def test_a_quarter_counts_with_nine_tenths_of_it() -> None:
    """Of January to March there are 83 of 90 days, of April to June 10 of 91."""
    found = periods(np.array([]), ms(2013, 1, 8), ms(2013, 4, 11), "UTC")
    assert list(found) == ["whole run", "January–March 2013"]
    assert found["January–March 2013"] == (ms(2013, 1, 1), ms(2013, 4, 1))


def test_months_are_those_of_the_timezone() -> None:
    """January ends five hours later in New York."""
    first, last = ms(2013, 1, 31), ms(2013, 2, 1) + HOUR
    assert list(months(first, last, "UTC")) == ["2013-01", "2013-02"]
    assert list(months(first, last, "America/New_York")) == ["2013-01"]


def test_steps_are_equal_cover_the_run_and_are_few() -> None:
    for days in (0.5, 3, 20, 365):
        first, last = ms(2013, 1, 1) + 7, ms(2013, 1, 1) + int(days * DAY)
        found = steps(first, last)
        assert found[0][0] <= first < found[0][1]
        assert found[-1][0] < last <= found[-1][1]
        assert len({end - begin for begin, end in found}) == 1
        assert all(one[1] == other[0] for one, other in pairwise(found))
        assert len(found) <= STEPS + 1
