"""Updates one row with one event, cell by cell; the same cells as `bulk`, bit for bit.

A call of NumPy costs as much as ten cells touched from Python: for a handful of events this is
several times faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from online_models.features.cells import Cells
from online_models.features.distinct import register_of
from online_models.features.layout import COARSE, GRID, LIMIT, Measure
from online_models.features.plan import EventPlan, RingPlan, Source
from online_models.features.rings import SLACK, SLOTS
from schemas.declare import TILES

Known = Mapping[str, float]

_LAST_SLOT = SLOTS - 1


class Single:
    """Applies one event at a time to the rows of one entity."""

    def __init__(self, plan: EventPlan) -> None:
        self._plan = plan

    def apply(self, cells: Cells, row: int, record: Mapping[str, Any]) -> None:
        """Adds the event of `record` to row number `row`."""
        base = row * cells.stride
        known = {
            name: float(record[name]) + 0.0
            for name in self._plan.numbers
            if record[name] is not None and abs(record[name]) <= LIMIT
        }
        amounts = [_amount(source, known) for source in self._plan.sources]
        for ring in self._plan.rings:
            self._ring(cells, base, ring, record, known, amounts)
        for each in self._plan.newest:
            if each.value is None or each.value in known:
                value = -float("inf") if each.value is None else known[each.value]
                _remember(cells.doubles, base + each.time, base + each.content, record, value)

    def _ring(
        self,
        cells: Cells,
        base: int,
        ring: RingPlan,
        record: Mapping[str, Any],
        known: Known,
        amounts: list[float],
    ) -> None:
        doubles = cells.doubles
        by = record[ring.by]
        tile = (by - 1) // ring.tile
        if ring.by != "time":
            own = (record["time"] - 1) // ring.tile
            if not own - TILES < tile <= own + SLACK:
                return
        head = doubles[base + ring.head]
        if tile > head:
            _advance(doubles, base, ring, int(head), tile)
        elif tile <= head - SLOTS:
            return
        place = base + (tile & _LAST_SLOT)
        for column, number in ring.adds:
            if self._plan.sources[number].ring is None:
                doubles[place + column] += amounts[number]
            else:
                doubles[place + column] += amounts[number] * (by - tile * ring.tile)
        _extremes(cells, place, ring, record, known)


def _amount(source: Source, known: Known) -> float:
    if source.value is None:
        return float(source.sign)
    value = known.get(source.value)
    if value is None:
        return 0.0
    if source.measure is Measure.KNOWN:
        return 1.0
    grid = round(value * GRID) / GRID
    if source.measure is Measure.VALUE:
        return grid
    square = round(grid * grid * GRID) / GRID
    high = round(square / COARSE) * COARSE
    return high if source.measure is Measure.SQUARE_HIGH else square - high


def _advance(doubles: memoryview[float], base: int, ring: RingPlan, head: int, tile: int) -> None:
    for gone in range(max(head + 1, tile - _LAST_SLOT), tile + 1):
        place = base + (gone & _LAST_SLOT)
        for column, blank in ring.lanes:
            doubles[place + column] = blank
    doubles[base + ring.head] = tile


def _extremes(
    cells: Cells, place: int, ring: RingPlan, record: Mapping[str, Any], known: Known
) -> None:
    doubles = cells.doubles
    for column, field in ring.smallest:
        if field in known and known[field] < doubles[place + column]:
            doubles[place + column] = known[field]
    for column, field in ring.largest:
        if field in known and known[field] > doubles[place + column]:
            doubles[place + column] = known[field]
    for column, field in ring.registers:
        if record[field] is not None:
            register, rank = register_of(record[field])
            at = (place + column + register // 8 * SLOTS) * 8 + register % 8
            cells.chars[at] = max(cells.chars[at], rank)


def _remember(
    doubles: memoryview[float], at: int, content: int, record: Mapping[str, Any], value: float
) -> None:
    time = record["time"]
    if time > doubles[at]:
        doubles[at], doubles[content] = time, value
    elif time == doubles[at] and value > doubles[content]:
        doubles[content] = value
