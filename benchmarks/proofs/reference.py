"""Features computed again from raw events, in plain Python: what the tiles are proved against.

Scalar code that shares nothing with the tiles but the declarations and the stable hash. Sums are
whole numbers of the grid, so nothing is lost; a window is a list of the events in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from online_models.hashing import bucket, hash64
from schemas.declare import Calendar, Domain, Entity, Feature, Kind

Record = Mapping[str, Any]
Raw = tuple[str, Record]

_GRID = 2**20
_LIMIT = 2.0**32
_TILES, _SLOTS, _SLACK = 12, 16, 4
_REGISTERS, _HIGHEST, _ALPHA = 64, 40, 0.709


def features_of(
    entity: Entity,
    events: Sequence[Raw],
    t: int,
    exact: bool = False,
    only: Sequence[Feature] | None = None,
) -> list[float]:
    """The features of an entity at t from all its events, (event, record) in any order.

    With the meaning of the tiles: windows cut at tile edges, rings of 16 tiles. With `exact`,
    windows are (t - over, t] to the millisecond, a decayed mean weighs each event by its own age
    and a distinct count is true. `only` chooses among the features of the entity.
    """
    view = _View(entity, events, t, exact)
    return [view.value(feature) for feature in (entity.features if only is None else only)]


def columns_of(domain: Domain, request: Record) -> tuple[list[float], list[float]]:
    """A request's own columns and the buckets of its categories, off the calendar as it is."""
    columns: dict[str, float] = {}
    for column in domain.columns:
        if isinstance(column, Calendar):
            columns[column.name] = _off_calendar(column, request.get(column.of), domain.timezone)
        else:
            number = request.get(column.name)
            columns[column.name] = math.nan if number is None else float(number)
    calendars = {column.name for column in domain.columns if isinstance(column, Calendar)}
    buckets = []
    for category in domain.categories:
        parts: list[Any] = [
            _whole(columns[name]) if name in calendars else request.get(name)
            for name in category.of
        ]
        text = None if None in parts else "|".join(map(str, parts))
        buckets.append(float(bucket(text, category.buckets)))
    return list(columns.values()), buckets


def _whole(number: float) -> int | None:
    return None if math.isnan(number) else int(number)


def _off_calendar(column: Calendar, time: int | None, zone: str) -> float:
    if time is None:
        return math.nan
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)
    local = utc.astimezone(ZoneInfo(zone))
    units = {
        "minute_of_day": 60 * local.hour + local.minute,
        "hour": local.hour,
        "weekday": local.weekday(),
        "month": local.month,
        "day_of_year": local.timetuple().tm_yday,
    }
    return float(units[column.unit])


class _View:
    """The events of one entity as asked about at one time."""

    def __init__(self, entity: Entity, events: Sequence[Raw], t: int, exact: bool) -> None:
        self._leaves = list(_leaves(entity.features))
        self._events = events
        self._t = t
        self._exact = exact

    def value(self, feature: Feature) -> float:
        """One feature."""
        if feature.kind is Kind.RATIO:
            return self._ratio(feature)
        if feature.kind in (Kind.LAST, Kind.SINCE):
            return self._newest(feature)
        if feature.minus is not None:
            return self._balance(feature, feature.minus)
        if feature.kind is Kind.COUNT:
            return float(len(self._window(feature, feature.event)))
        if feature.kind is Kind.DISTINCT:
            return self._distinct(feature)
        if feature.kind is Kind.DECAYED_MEAN:
            return self._decayed(feature)
        return self._statistic(feature)

    def _window(self, feature: Feature, event: str) -> list[Record]:
        """The records of `event` that count, in order of arrival."""
        if self._exact:
            start = self._t - feature.over
            mine = [record for name, record in self._events if name == event]
            return [record for record in mine if start < record[feature.by] <= self._t]
        newest = _tile(self._t, feature)
        head = self._head(feature)
        return [
            record
            for name, record in self._events
            if name == event
            and _bucketed(record, feature)
            and max(newest - _TILES, head - _SLOTS) < _tile(record[feature.by], feature) <= newest
        ]

    def _head(self, feature: Feature) -> int:
        """The newest tile of the ring that the feature stands in."""
        same = [leaf for leaf in self._leaves if (leaf.by, leaf.over) == (feature.by, feature.over)]
        windows = [leaf for leaf in same if leaf.kind not in (Kind.LAST, Kind.SINCE)]
        names = {name for leaf in windows for name in (leaf.event, leaf.minus)}
        tiles = [
            _tile(record[feature.by], feature)
            for name, record in self._events
            if name in names and _bucketed(record, feature)
        ]
        return max(tiles, default=0)

    def _statistic(self, feature: Feature) -> float:
        values = _values(feature, self._window(feature, feature.event))
        total = sum(map(_on_grid, values)) / _GRID
        if feature.kind is Kind.SUM:
            return total
        if not values:
            return feature.default
        if feature.kind is Kind.MIN:
            return min(values)
        if feature.kind is Kind.MAX:
            return max(values)
        mean = total / len(values)
        if feature.kind is Kind.MEAN:
            return mean
        rounded = [_on_grid(value) / _GRID for value in values]
        squares = sum(_on_grid(value * value) for value in rounded) / _GRID
        return math.sqrt(max(squares / len(values) - mean * mean, 0.0))

    def _decayed(self, feature: Feature) -> float:
        life = feature.half_life or 0
        above: list[float] = []
        below: list[float] = []
        for record in self._window(feature, feature.event):
            for value in _values(feature, [record]):
                age = self._t - record[feature.by]
                if not self._exact:
                    tiles = _tile(self._t, feature) - _tile(record[feature.by], feature)
                    age = tiles * feature.over // _TILES
                weight = math.pow(2.0, -(age / life))
                above.append(weight * _on_grid(value) / _GRID)
                below.append(weight)
        return math.fsum(above) / math.fsum(below) if below else feature.default

    def _distinct(self, feature: Feature) -> float:
        found = [record[feature.value or ""] for record in self._window(feature, feature.event)]
        values = {value for value in found if value is not None}
        return float(len(values)) if self._exact else _hyperloglog(map(hash64, values))

    def _newest(self, feature: Feature) -> float:
        known = [
            (record["time"], _values(feature, [record])[0] if feature.value else 0.0)
            for name, record in self._events
            if name == feature.event and (not feature.value or _values(feature, [record]))
        ]
        if not known:
            return feature.default
        time, value = max(known)
        if not 0 <= self._t - time <= feature.over:
            return feature.default
        return value if feature.kind is Kind.LAST else (self._t - time) / 1000.0

    def _balance(self, feature: Feature, minus: str) -> float:
        plus = [record[feature.by] for record in self._window(feature, feature.event)]
        less = [record[feature.by] for record in self._window(feature, minus)]
        outstanding = len(plus) - len(less)
        if feature.kind is Kind.BALANCE:
            return float(max(outstanding, 0))
        if feature.kind is Kind.BALANCE_SHARE:
            return max(outstanding, 0) / len(plus) if plus else feature.default
        if outstanding <= 0:
            return feature.default
        waited = sum(self._t - by for by in plus) - sum(self._t - by for by in less)
        return float(waited) / (1000 * outstanding)

    def _ratio(self, feature: Feature) -> float:
        above, below = map(self.value, feature.parts)
        known = math.isfinite(above) and math.isfinite(below) and below != 0.0
        return above / below if known else feature.default


def _leaves(features: Sequence[Feature]) -> Iterator[Feature]:
    for feature in features:
        if feature.kind is Kind.RATIO:
            yield from _leaves(feature.parts)
        else:
            yield feature


def _tile(time: int, feature: Feature) -> int:
    """The number k of the tile (k L, (k + 1) L] that holds a time."""
    length = feature.over // _TILES
    return -(-time // length) - 1


def _bucketed(record: Record, feature: Feature) -> bool:
    """Whether the ring takes the event: its tile is not too far from that of its own time."""
    ahead = _tile(record[feature.by], feature) - _tile(record["time"], feature)
    return -_TILES < ahead <= _SLACK


def _values(feature: Feature, records: Sequence[Record]) -> list[float]:
    found = [record[feature.value or ""] for record in records]
    return [float(value) for value in found if value is not None and abs(value) <= _LIMIT]


def _on_grid(value: float) -> int:
    return round(value * _GRID)


def _hyperloglog(hashes: Iterator[int]) -> float:
    registers = [0] * _REGISTERS
    for bits in hashes:
        rest, rank = bits // _REGISTERS, 1
        while rank < _HIGHEST and rest % 2 == 0:
            rest, rank = rest // 2, rank + 1
        at = bits % _REGISTERS
        registers[at] = max(registers[at], rank)
    raw = _ALPHA * _REGISTERS * _REGISTERS / sum(2.0**-rank for rank in registers)
    zeros = registers.count(0)
    small = raw <= 2.5 * _REGISTERS and zeros > 0
    return _REGISTERS * math.log(_REGISTERS / zeros) if small else raw
