"""Updates many rows with a batch of events of one kind, in NumPy; `single` does the same for one.

Arrays are [rings or lanes, events]. Every step is a sum of multiples of the grid or a maximum, so
neither the order of the events nor the batches they come in change the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_models.features.cells import Cells
from online_models.features.distinct import register_of
from online_models.features.layout import COARSE, GRID, LIMIT, Measure
from online_models.features.plan import EventPlan, RingPlan, Source
from online_models.features.rings import EMPTY, SLACK, SLOTS
from schemas.declare import TILES

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Records = Sequence[Mapping[str, Any]]

_SLOT = np.arange(SLOTS)
_LAST_SLOT = SLOTS - 1


class _Columns:
    """The fields of a batch: times [bys, n]; values, 0 if missing, and known [fields, n]."""

    def __init__(self, plan: EventPlan, times: I8, records: Records) -> None:
        others = [[record[by] for record in records] for by in plan.bys[1:]]
        self.times: F8 = np.array([times, *others], np.float64)
        values = [[record[name] for record in records] for name in plan.numbers]
        raw = np.array(values, np.float64).reshape(len(values), len(records))
        self.known = np.abs(raw) <= LIMIT
        self.values: F8 = np.where(self.known, raw, 0.0) + 0.0


class Bulk:
    """Applies batches of one event to the rows of one entity."""

    def __init__(self, plan: EventPlan) -> None:
        self._plan = plan
        self._by = np.array([plan.bys.index(ring.by) for ring in plan.rings], np.int64)
        self._guarded = any(ring.by != "time" for ring in plan.rings)
        self._tile = np.array([[float(ring.tile)] for ring in plan.rings])
        self._head = np.array([[ring.head] for ring in plan.rings], np.int64)
        adds = [(i, *add) for i, ring in enumerate(plan.rings) for add in ring.adds]
        self._add_ring, self._add_column, self._add_source = _transposed(adds)
        self._lane_column, self._lane_blank = _padded(plan.rings)
        self._smallest = _extremes(plan, [ring.smallest for ring in plan.rings])
        self._largest = _extremes(plan, [ring.largest for ring in plan.rings])
        self._newest_time = np.array([[each.time] for each in plan.newest], np.int64)
        self._newest_content = np.array([[each.content] for each in plan.newest], np.int64)

    def apply(self, cells: Cells, rows: I8, times: I8, records: Records) -> None:
        """Adds the events of `records`, one a row number of `rows`, to the cells."""
        base = rows * cells.stride
        columns = _Columns(self._plan, times, records)
        if self._plan.rings:
            tiles = self._tiles(columns)
            self._advance(cells, rows, base, tiles)
            self._add(cells, base, tiles, columns, records)
        if self._plan.newest:
            self._remember(cells, base, columns)

    def _tiles(self, columns: _Columns) -> F8:
        tiles: F8 = np.floor((columns.times[self._by] - 1.0) / self._tile)
        if not self._guarded:
            return tiles
        own = np.floor((columns.times[0] - 1.0) / self._tile)
        return np.where((tiles > own - TILES) & (tiles <= own + SLACK), tiles, float(EMPTY))

    def _advance(self, cells: Cells, rows: I8, base: I8, tiles: F8) -> None:
        once = cells.last_of_each(rows)
        heads = base[once] + self._head
        before = cells.floats[heads]
        np.maximum.at(cells.floats, (base + self._head).ravel(), tiles.ravel())
        after = cells.floats[heads]
        ring, which = np.nonzero(after > before)
        if not len(ring):
            return
        head = after[ring, which]
        gone = (head - before[ring, which])[:, None] > _SLOT
        slots = (head.astype(np.int64)[:, None] - _SLOT) & _LAST_SLOT
        moved, step = np.nonzero(gone)
        start = base[once[which[moved]]] + slots[moved, step]
        ring = ring[moved]
        cells.floats[start[:, None] + self._lane_column[ring]] = self._lane_blank[ring]

    def _add(self, cells: Cells, base: I8, tiles: F8, columns: _Columns, records: Records) -> None:
        heads = cells.floats[base + self._head]
        alive = tiles > np.maximum(heads - SLOTS, EMPTY)
        place = base + (tiles.astype(np.int64) & _LAST_SLOT)
        if len(self._add_column):
            at = place[self._add_ring] + self._add_column[:, None]
            amounts = self._amounts(columns, tiles)[self._add_source]
            if not alive.all():
                amounts *= alive[self._add_ring]
            np.add.at(cells.floats, at.ravel(), amounts.ravel())
        for extremes, keep, blank in (
            (self._smallest, np.minimum, np.inf),
            (self._largest, np.maximum, -np.inf),
        ):
            ring, column, field = extremes
            if len(column):
                at = place[ring] + column[:, None]
                known = columns.known[field] & alive[ring]
                values = np.where(known, columns.values[field], blank)
                keep.at(cells.floats, at.ravel(), values.ravel())
        self._register(cells, place, alive, records)

    def _amounts(self, columns: _Columns, tiles: F8) -> F8:
        grid = np.rint(columns.values * GRID) / GRID + 0.0
        amounts = np.empty((len(self._plan.sources), tiles.shape[1]))
        for amount, source in zip(amounts, self._plan.sources, strict=True):
            self._amount(amount, source, columns, grid, tiles)
        return amounts

    def _amount(self, amount: F8, source: Source, columns: _Columns, grid: F8, tiles: F8) -> None:
        measure, ring = source.measure, source.ring
        if source.value is not None:
            field = self._plan.numbers.index(source.value)
            if measure is Measure.KNOWN:
                amount[:] = columns.known[field]
            elif measure is Measure.VALUE:
                amount[:] = grid[field]
            else:
                high, low = square_parts(grid[field])
                amount[:] = high if measure is Measure.SQUARE_HIGH else low
        elif ring is not None:
            start = tiles[ring] * self._tile[ring]
            amount[:] = source.sign * (columns.times[self._by[ring]] - start)
        else:
            amount[:] = source.sign

    def _register(
        self, cells: Cells, place: I8, alive: NDArray[np.bool_], records: Records
    ) -> None:
        for number, ring in enumerate(self._plan.rings):
            for column, field in ring.registers:
                values = [record[field] for record in records]
                found = [(0, 0) if value is None else register_of(value) for value in values]
                register, rank = np.array(found, np.int64).T
                cell = place[number] + column + register // 8 * SLOTS
                ranks = (rank * alive[number]).astype(np.uint8)
                np.maximum.at(cells.octets, cell * 8 + register % 8, ranks)

    def _remember(self, cells: Cells, base: I8, columns: _Columns) -> None:
        known, values = self._contents(columns)
        at = base + self._newest_time
        content = base + self._newest_content
        times = np.where(known, columns.times[0], float(EMPTY))
        before = cells.floats[at]
        np.maximum.at(cells.floats, at.ravel(), times.ravel())
        after = cells.floats[at]
        cells.floats[content[after > before]] = -np.inf
        now = known & (times == after)
        np.maximum.at(cells.floats, content[now], values[now])

    def _contents(self, columns: _Columns) -> tuple[NDArray[np.bool_], F8]:
        shape = len(self._plan.newest), columns.times.shape[1]
        known, values = np.ones(shape, np.bool_), np.full(shape, -np.inf)
        for number, each in enumerate(self._plan.newest):
            if each.value is not None:
                field = self._plan.numbers.index(each.value)
                known[number] = columns.known[field]
                values[number] = columns.values[field]
        return known, values


def square_parts(values: F8) -> tuple[F8, F8]:
    """The squares of values as a multiple of COARSE and a rest on the grid."""
    squares = np.rint(values * values * GRID) / GRID
    high = np.rint(squares / COARSE) * COARSE
    return high, squares - high


def _padded(rings: Sequence[RingPlan]) -> tuple[I8, F8]:
    """Columns and blanks of all lanes [rings, most lanes]; shorter rings repeat their last."""
    most = max((len(ring.lanes) for ring in rings), default=0)
    filled = [[*ring.lanes, *[ring.lanes[-1]] * (most - len(ring.lanes))] for ring in rings]
    columns = [[column for column, _ in lanes] for lanes in filled]
    blanks = [[blank for _, blank in lanes] for lanes in filled]
    return np.array(columns, np.int64), np.array(blanks)


def _extremes(plan: EventPlan, rings: Sequence[tuple[tuple[int, str], ...]]) -> tuple[I8, I8, I8]:
    return _transposed(
        [
            (number, column, plan.numbers.index(field))
            for number, pairs in enumerate(rings)
            for column, field in pairs
        ]
    )


def _transposed(triples: Sequence[tuple[int, int, int]]) -> tuple[I8, I8, I8]:
    first, second, third = np.array(triples, np.int64).reshape(-1, 3).T.copy()
    return first, second, third
