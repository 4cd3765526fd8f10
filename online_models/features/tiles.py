"""The tiles of all entities of one kind: rows in memory, updated by batches of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_models.features.blobs import check_blob
from online_models.features.bulk import Bulk
from online_models.features.cells import NEWEST, POSITIONS, Cells
from online_models.features.layout import EntityLayout
from online_models.features.plan import EventPlan
from online_models.features.single import Single

FEW = 12
"""Below this many events, one by one is faster than a batch."""


class TileTable:
    """State of the entities of one layout, by key.

    The state of an entity is a function of the set of its events: no order, no split into
    batches changes a bit of it. An entity must be loaded, with its blob or with None for a new
    one, before it is updated.
    """

    def __init__(self, layout: EntityLayout, partitions: int) -> None:
        self.layout = layout
        self.partitions = partitions
        self._cells = Cells(layout, partitions)
        self._rows: dict[str, int] = {}
        self._touched: dict[str, None] = {}
        plans = {name: EventPlan(layout, name, self._cells.first) for name in layout.events}
        self._bulk = {name: Bulk(plan) for name, plan in plans.items()}
        self._single = {name: Single(plan) for name, plan in plans.items()}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys, each once, that are not loaded."""
        return [key for key in dict.fromkeys(keys) if key not in self._rows]

    def load(self, key: str, blob: bytes | None) -> None:
        """Takes the state of an entity from its blob, or makes it new where there is none.

        Raises ForeignState where the blob is not of this layout and number of partitions.
        """
        if blob is not None:
            check_blob(self.layout, blob, self.partitions)
        if key in self._rows:
            self._cells.set(self._rows[key], blob)
        else:
            self._rows[key] = self._cells.add(blob)

    def update(
        self,
        event: str,
        keys: Sequence[str],
        records: Sequence[Mapping[str, Any]],
        partition: int,
        offsets: Sequence[int],
    ) -> None:
        """Adds events of one kind that stand in one partition, one a key; any order will do.

        Raises KeyError where an entity was not loaded, ValueError where the event is not one of
        the layout, the partition not one of the table or the lengths differ.
        """
        if event not in self._bulk:
            raise ValueError(f"{self.layout.entity.name}: no feature uses event {event!r}")
        if not 0 <= partition < self.partitions:
            raise ValueError(f"partition {partition}, of {self.partitions}")
        if not len(keys) == len(records) == len(offsets):
            raise ValueError(f"{len(keys)} keys, {len(records)} records, {len(offsets)} offsets")
        rows = [self._rows[key] for key in keys]
        if len(rows) < FEW:
            self._one_by_one(self._single[event], rows, records, partition, offsets)
        else:
            self._all_at_once(self._bulk[event], rows, records, partition, offsets)
        self._touched.update(dict.fromkeys(keys))

    def touched(self) -> dict[str, bytes]:
        """The blobs of the entities updated since the last call, by key."""
        keys, self._touched = list(self._touched), {}
        return dict(zip(keys, self._cells.blobs([self._rows[key] for key in keys]), strict=True))

    def blob(self, key: str) -> bytes | None:
        """The blob of an entity; None where it is not loaded."""
        return self._cells.blobs([self._rows[key]])[0] if key in self._rows else None

    def drop(self, keys: Iterable[str]) -> None:
        """Forgets entities, with updates that `touched` did not give yet."""
        for key in keys:
            row = self._rows.pop(key, None)
            self._touched.pop(key, None)
            if row is not None:
                self._cells.free(row)

    def evict(self, before_ms: int) -> int:
        """Drops entities whose newest event is earlier, and gives how many.

        Those with updates that `touched` did not give yet stay.
        """
        times = self._cells.newest(list(self._rows.values()))
        pairs = zip(self._rows, times, strict=True)
        old = [key for key, time in pairs if time < before_ms and key not in self._touched]
        self.drop(old)
        return len(old)

    def _one_by_one(
        self,
        single: Single,
        rows: Sequence[int],
        records: Sequence[Mapping[str, Any]],
        partition: int,
        offsets: Sequence[int],
    ) -> None:
        cells = self._cells
        for row, record, offset in zip(rows, records, offsets, strict=True):
            base = row * cells.stride
            position = base + POSITIONS + partition
            cells.longs[base + NEWEST] = max(cells.longs[base + NEWEST], record["time"])
            cells.longs[position] = max(cells.longs[position], offset)
            single.apply(cells, row, record)

    def _all_at_once(
        self,
        bulk: Bulk,
        rows: Sequence[int],
        records: Sequence[Mapping[str, Any]],
        partition: int,
        offsets: Sequence[int],
    ) -> None:
        cells = self._cells
        numbers: NDArray[np.int64] = np.array(rows, np.int64)
        times: NDArray[np.int64] = np.array([record["time"] for record in records], np.int64)
        base = numbers * cells.stride
        at = np.concatenate([base + NEWEST, base + (POSITIONS + partition)])
        np.maximum.at(cells.ints, at, np.concatenate([times, np.array(offsets, np.int64)]))
        bulk.apply(cells, numbers, times, records)
