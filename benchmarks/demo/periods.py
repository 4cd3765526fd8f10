"""The periods of a run whose qualities are told apart; times in ms since the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from schemas.declare import DAY, HOUR

FEWEST = 30
"""Examples below which a half tells nothing."""

STEPS = 40
"""Most points of a line over time, about."""

_WIDTHS = [HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, *(n * DAY for n in (1, 2, 3, 7, 14, 30))]

Span = tuple[int, int]
"""Begin, and the end that is no part of it."""


def periods(asked: NDArray[np.int64], first: int, last: int, timezone: str) -> dict[str, Span]:
    """The whole run, the second half of its examples, and every quarter it has nine tenths of.

    Not the second half of its time: of the last questions few labels have come.
    """
    found = {"whole run": (first, last)}
    if len(asked) >= 2 * FEWEST:
        found["second half of the examples"] = (int(np.median(asked)), last)
    for name, begin, end in _quarters(first, last, timezone):
        if min(last, end) - max(first, begin) >= 0.9 * (end - begin):
            found[name] = (begin, end)
    return found


def months(first: int, last: int, timezone: str) -> dict[str, Span]:
    """By month of the calendar, as 2013-07; the first and the last may be incomplete."""
    return {
        f"{number // 12}-{number % 12 + 1:02}": (begin, end)
        for number, begin, end in _calendar(first, last, timezone, 1)
    }


def steps(first: int, last: int) -> list[Span]:
    """Equal steps of time, as narrow as about `STEPS` of them allow."""
    width = next((w for w in _WIDTHS if (last - first) / w <= STEPS), _WIDTHS[-1])
    return [(begin, begin + width) for begin in range(first // width * width, last, width)]


def _quarters(first: int, last: int, timezone: str) -> Iterator[tuple[str, int, int]]:
    names = ("January–March", "April–June", "July–September", "October–December")
    for number, begin, end in _calendar(first, last, timezone, 3):
        yield f"{names[number % 4]} {number // 4}", begin, end


def _calendar(first: int, last: int, timezone: str, every: int) -> Iterator[tuple[int, int, int]]:
    """Number since year 0, begin and end of the spans of `every` months that meet [first, last)."""
    zone = ZoneInfo(timezone)
    year, of_year = datetime.fromtimestamp(first / 1000, zone).year, 12 // every
    for number in range(of_year * year, of_year * (year + 2)):
        begin, end = (
            round(datetime(n // of_year, n % of_year * every + 1, 1, tzinfo=zone).timestamp() * 1e3)
            for n in (number, number + 1)
        )
        if begin < last and end > first:
            yield number, begin, end
