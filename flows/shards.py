"""Decoded events split by the shard of the entities that they touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from infra.decoding import Columns
from infra.feature_store import SHARDS, shard_of
from online_models.features.layout import EntityLayout
from schemas.declare import Entity

_TIME = itemgetter("time")

KNOWN_KEYS = 1_000_000
"""Shards of that many keys are kept, before they are worked out anew."""


@dataclass(slots=True)
class Group:
    """Events of one kind that touch entities of one kind in one shard, one key an event."""

    entity: str
    event: str
    keys: Sequence[str]
    records: Sequence[Mapping[str, Any]]
    offsets: Sequence[int]

    def since(self, offset: int) -> Group:
        """The group without events before an offset."""
        first = next((i for i, o in enumerate(self.offsets) if o >= offset), len(self.offsets))
        parts = (self.keys[first:], self.records[first:], self.offsets[first:])
        return Group(self.entity, self.event, *parts)


class ShardUpdate(NamedTuple):
    """What one batch of one partition, offsets `start` up to `next`, means for one shard.

    `newest` is the newest event time in the batch.
    """

    shard: int
    partition: int
    start: int
    next: int
    newest: int
    groups: list[Group]


class _Places(dict[Any, tuple[str | None, int]]):
    """Key and shard of an entity by the values of its key fields, worked out once."""

    def __init__(self, entity: Entity) -> None:
        super().__init__()
        self._entity = entity
        self._single = len(entity.key) == 1
        self.values_of = itemgetter(*entity.key)

    def __missing__(self, values: Any) -> tuple[str | None, int]:
        if len(self) >= KNOWN_KEYS:
            self.clear()
        parts = (values,) if self._single else values
        key = self._entity.key_of(dict(zip(self._entity.key, parts, strict=True)))
        self[values] = place = (key, -1 if key is None else shard_of(self._entity.name, key))
        return place


class Sharding:
    """Splits batches by shard; every batch gives every shard an update, if only of its progress."""

    def __init__(self, layouts: Mapping[str, EntityLayout]) -> None:
        self._touches: dict[str, list[tuple[str, _Places]]] = {}
        for layout in layouts.values():
            places = _Places(layout.entity)
            for event in layout.events:
                self._touches.setdefault(event, []).append((layout.entity.name, places))

    def split(
        self, partition: int, start: int, next_: int, good: Sequence[Columns]
    ) -> list[tuple[str, ShardUpdate]]:
        """Shard number and update, for every shard; events must be in the order of offsets."""
        newest = newest_of(good)
        updates = [
            ShardUpdate(shard, partition, start, next_, newest, []) for shard in range(SHARDS)
        ]
        for event, records, offsets in good:
            for entity, places in self._touches.get(event, ()):
                for shard, rows in enumerate(_spread(places, records, offsets)):
                    if rows:
                        updates[shard].groups.append(Group(entity, event, *zip(*rows, strict=True)))
        return [(str(update.shard), update) for update in updates]


def newest_of(good: Sequence[Columns]) -> int:
    """The newest event time; 0 where there is no event."""
    return max((max(map(_TIME, columns.records)) for columns in good), default=0)


def _spread(
    places: _Places, records: Sequence[Mapping[str, Any]], offsets: Sequence[int]
) -> list[list[tuple[str, Mapping[str, Any], int]]]:
    """Key, record and offset of the events that name an entity, by shard."""
    rows: list[list[Any]] = [[] for _ in range(SHARDS + 1)]
    add = [row.append for row in rows]
    found = map(places.__getitem__, map(places.values_of, records))
    for (key, shard), record, offset in zip(found, records, offsets, strict=True):
        add[shard]((key, record, offset))
    return rows[:SHARDS]  # the last are those without a key: shard -1
