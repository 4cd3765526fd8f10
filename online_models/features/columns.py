"""What a request says by itself: numbers, the calendar, hashed categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from online_models.hashing import bucket
from schemas.declare import (
    DAY,
    HOUR,
    MINUTE,
    Calendar,
    Category,
    Domain,
    Numeric,
)

Record = Mapping[str, Any]

_EPOCH = date(1970, 1, 1).toordinal()
_EARLIEST = round(datetime(2, 1, 1, tzinfo=UTC).timestamp()) * 1000
_LATEST = round(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1000
_MILLISECOND = timedelta(milliseconds=1)


class RequestColumns:
    """The columns and categories of a domain, read off one request at a time."""

    def __init__(self, domain: Domain) -> None:
        local = _local(domain.timezone)
        self._columns = [
            _numeric(column) if isinstance(column, Numeric) else _calendar(column, local)
            for column in domain.columns
        ]
        numbers = {column.name: at for at, column in enumerate(domain.columns)}
        calendars = {c.name: numbers[c.name] for c in domain.columns if isinstance(c, Calendar)}
        self._categories = [_category(category, calendars) for category in domain.categories]

    def read(self, record: Record) -> tuple[list[float], list[float]]:
        """Columns (NaN where unknown) and bucket numbers (0 where a part is unknown)."""
        columns = [read(record) for read in self._columns]
        return columns, [read(record, columns) for read in self._categories]


def _category(
    category: Category, calendars: Mapping[str, int]
) -> Callable[[Record, list[float]], float]:
    """The bucket number of a request and its columns; `calendars` gives a column's place."""
    bucket_of = _bucket_of(category, calendars)
    parts = [(name, calendars.get(name)) for name in category.of]
    name, at = parts[0]
    if len(parts) > 1:
        return lambda record, columns: bucket_of(
            *[record.get(name) if at is None else columns[at] for name, at in parts]
        )
    if at is None:
        return lambda record, _: bucket_of(record.get(name))
    return lambda _, columns: bucket_of(columns[at])


def _bucket_of(category: Category, calendars: Mapping[str, int]) -> Callable[..., float]:
    """The bucket number of the category's parts, remembered: there are few that come often."""
    whole = [name in calendars for name in category.of]

    @lru_cache(maxsize=1 << 14, typed=True)
    def bucket_of(*values: Any) -> float:
        if any(value is None or value != value for value in values):
            return float(bucket(None, category.buckets))
        texts = [str(int(v) if is_whole else v) for v, is_whole in zip(values, whole, strict=True)]
        return float(bucket("|".join(texts), category.buckets))

    return bucket_of


def _numeric(column: Numeric) -> Callable[[Record], float]:
    name = column.name

    def read(record: Record) -> float:
        value = record.get(name)
        return float(value) if value is not None and math.isfinite(value) else math.nan

    return read


def _calendar(column: Calendar, local: Callable[[int], int]) -> Callable[[Record], float]:
    of, unit = column.of, _UNITS[column.unit]

    def read(record: Record) -> float:
        time = record.get(of)
        if time is None or not _EARLIEST <= time < _LATEST:
            return math.nan
        return float(unit(local(time)))

    return read


def _local(zone: str) -> Callable[[int], int]:
    """The clock of a zone, ms since its own 1970; the last time is asked for again and again."""
    return lru_cache(maxsize=1 << 10)(lambda time: time + offset(zone, time))


def offset(zone: str, time: int) -> int:
    """How far the clocks of a zone are ahead of UTC at a time, in ms; for years 2 to 9998."""
    known = _offset_of_hour(zone, time // HOUR)
    return _exact_offset(zone, time) if known is None else known


@lru_cache(maxsize=1 << 16)
def _offset_of_hour(zone: str, hour: int) -> int | None:
    """The offset in all of an hour since the epoch; None where it changes inside."""
    start = _exact_offset(zone, hour * HOUR)
    return start if start == _exact_offset(zone, hour * HOUR + HOUR - 1) else None


def _exact_offset(zone: str, time: int) -> int:
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)
    ahead = utc.astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if ahead is None else ahead // _MILLISECOND


@lru_cache(maxsize=1 << 14)
def _date(day: int) -> date:
    return date.fromordinal(_EPOCH + day)


_UNITS: Mapping[str, Callable[[int], int]] = {
    "minute_of_day": lambda local: local // MINUTE % 1440,
    "hour": lambda local: local // HOUR % 24,
    "weekday": lambda local: (local // DAY + 3) % 7,
    "month": lambda local: _date(local // DAY).month,
    "day_of_year": lambda local: _date(local // DAY).timetuple().tm_yday,
}
