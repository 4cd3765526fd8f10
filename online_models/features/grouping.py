"""Sorts a batch of events by shard and entity, in the shape that tables are updated with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from online_models.features.layout import layouts_of
from schemas.declare import Domain

Record = Mapping[str, Any]
KeyOf = Callable[[Record], str | None]

_REMEMBERED = 1 << 16


@dataclass(slots=True)
class Updates:
    """Events of one kind for entities of one kind, all of one partition: one a position."""

    keys: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)


ShardUpdates = dict[tuple[str, str], Updates]
"""The updates of one shard by (entity, event)."""


class Grouper:
    """Knows which entities an event touches; `shard_of(entity, key)` gives 0 to shards - 1."""

    def __init__(self, domain: Domain, shard_of: Callable[[str, str], int], shards: int) -> None:
        self._shards = shards
        self._targets: dict[str, list[tuple[str, KeyOf, Callable[[str], int]]]] = {}
        for name, layout in layouts_of(domain).items():
            shard = lru_cache(_REMEMBERED)(partial(shard_of, name))
            for event in layout.events:
                target = (name, key_reader(layout.entity.key), shard)
                self._targets.setdefault(event, []).append(target)

    def group(self, events: Iterable[tuple[str, Record, int]]) -> list[ShardUpdates]:
        """The updates of each shard, from (event, record, offset) of one partition.

        An entity whose key has a part that the record leaves out is not touched, nor is any by an
        event that no feature uses. Shards without updates are empty.
        """
        shards: list[ShardUpdates] = [{} for _ in range(self._shards)]
        for event, record, offset in events:
            for entity, key_of, shard_of in self._targets.get(event, ()):
                key = key_of(record)
                if key is not None:
                    updates = shards[shard_of(key)]
                    same = updates.get((entity, event))
                    if same is None:
                        same = updates[entity, event] = Updates()
                    same.keys.append(key)
                    same.records.append(record)
                    same.offsets.append(offset)
        return shards


def key_reader(fields: tuple[str, ...]) -> KeyOf:
    """`Entity.key_of` for these fields, made quick for a key of one part."""
    if len(fields) > 1:
        return partial(_joined_key, fields)
    [name] = fields

    def single(record: Record) -> str | None:
        part = record.get(name)
        return part if part is None or part.__class__ is str else str(part)

    return single


def _joined_key(fields: tuple[str, ...], record: Record) -> str | None:
    parts = [record.get(name) for name in fields]
    return None if None in parts else "|".join(map(str, parts))
