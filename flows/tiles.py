"""The tiles of shards in memory, and how they are written to the store: never backwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from flows.shards import Group, ShardUpdate
from flows.tail import LogReplaced
from infra import metrics
from infra.feature_store import EntityKey, ShardWrite
from online_models.features.layout import EntityLayout
from online_models.features.tiles import TileTable

EVICT_EVERY = 500
"""Writes of a shard between two looks for entities that lie outside of every window."""


class Store(Protocol):
    """What a shard needs of the feature store; `infra.feature_store.FeatureStore` has it."""

    def read(self, keys: Sequence[EntityKey]) -> list[bytes | None]:
        """Blobs of entities."""

    def progress(self, shard: int) -> tuple[int, ...] | None:
        """Next offset of each partition."""

    def write_all(self, writes: Sequence[ShardWrite]) -> list[bool]:
        """Writes each whole or, where another writer is ahead, nothing of it."""


class Shard:
    """One shard: its entities' tiles in memory, and its progress, here and in the store."""

    def __init__(
        self, store: Store, layouts: Mapping[str, EntityLayout], number: int, partitions: int
    ) -> None:
        self._store = store
        self._layouts = layouts
        self._number = number
        self._partitions = partitions
        self._newest = 0
        self._writes = 0
        self.load()

    def load(self) -> None:
        """Forgets the tiles, and goes on from where the store stands."""
        self._tables = {
            name: TileTable(layout, self._partitions) for name, layout in self._layouts.items()
        }
        self._stored = self._store.progress(self._number)
        self._progress = list(self._stored or [0] * self._partitions)

    def new(self, updates: Sequence[ShardUpdate]) -> list[tuple[int, Group]]:
        """What is not in yet, each with its partition; moves the progress. Raises LogReplaced."""
        return [(u.partition, group) for u in updates for group in self._new(u)]

    def missing(self, groups: Sequence[tuple[int, Group]]) -> list[EntityKey]:
        """The entities that are not in memory."""
        return [
            (group.entity, key)
            for _, group in groups
            for key in self._tables[group.entity].missing(group.keys)
        ]

    def keep(self, key: EntityKey, blob: bytes | None) -> None:
        """Takes an entity into memory, as it was read."""
        self._tables[key[0]].load(key[1], blob)

    def update(self, groups: Sequence[tuple[int, Group]]) -> None:
        """Counts events whose entities are in memory."""
        for partition, group in groups:
            table = self._tables[group.entity]
            table.update(group.event, group.keys, group.records, partition, group.offsets)

    def write(self) -> ShardWrite | None:
        """What has to be written; None where that is nothing."""
        progress = tuple(self._progress)
        if progress == self._stored:
            return None
        blobs = {}
        for entity, table in self._tables.items():
            touched = table.touched()
            blobs.update({(entity, key): blob for key, blob in touched.items()})
            metrics.ENTITIES_WRITTEN.labels(entity).inc(len(touched))
        return ShardWrite(self._number, blobs, progress, self._stored)

    def written(self, write: ShardWrite, horizon: int) -> None:
        """It is in the store; now and then forgets entities that are older than all windows."""
        self._stored = tuple(write.progress)
        self._writes += 1
        if self._writes % EVICT_EVERY == 0:
            for table in self._tables.values():
                table.evict(self._newest - horizon)

    def _new(self, update: ShardUpdate) -> list[Group]:
        done = self._progress[update.partition]
        if update.next <= done:
            return []
        if done and update.start > done:
            raise LogReplaced(
                f"shard {self._number} waits for offset {done} of partition {update.partition} of "
                f"events, but the log goes on at {update.start}: records are missing"
            )
        self._progress[update.partition] = update.next
        self._newest = max(self._newest, update.newest)
        if update.start >= done:
            return update.groups
        return [left for group in update.groups if (left := group.since(done)).keys]


class Shards:
    """The shards of one worker, which are read and written together: a round trip for all.

    They take updates in any split; what the store has already is skipped, so that each event counts
    once however often it is read.
    """

    def __init__(
        self,
        store: Store,
        layouts: Mapping[str, EntityLayout],
        numbers: Iterable[int],
        partitions: int,
        horizon: int,
    ) -> None:
        self._store = store
        self._horizon = horizon
        self._shards = {number: Shard(store, layouts, number, partitions) for number in numbers}

    def take(self, updates: Sequence[ShardUpdate]) -> None:
        """Applies updates and writes them; raises StoreWentBack where the store lost something."""
        left: dict[int, list[ShardUpdate]] = {}
        for update in updates:
            left.setdefault(update.shard, []).append(update)
        while left:
            self._apply(left)
            refused = self._write(left)
            for number in refused:
                metrics.WRITES_REFUSED.labels(str(number)).inc()
                self._shards[number].load()
            left = {number: left[number] for number in refused}

    def _apply(self, updates: Mapping[int, Sequence[ShardUpdate]]) -> None:
        groups = {number: self._shards[number].new(news) for number, news in updates.items()}
        wanted = [
            (number, key)
            for number, news in groups.items()
            for key in self._shards[number].missing(news)
        ]
        if wanted:
            blobs = self._store.read([key for _, key in wanted])
            for (number, key), blob in zip(wanted, blobs, strict=True):
                self._shards[number].keep(key, blob)
        for number, news in groups.items():
            self._shards[number].update(news)

    def _write(self, numbers: Iterable[int]) -> list[int]:
        """Writes what has changed; gives the shards that were refused."""
        writes = [write for n in numbers if (write := self._shards[n].write()) is not None]
        refused = []
        for write, done in zip(writes, self._store.write_all(writes), strict=True):
            if done:
                self._shards[write.shard].written(write, self._horizon)
            else:
                refused.append(write.shard)
        return refused
