"""Keeps the tiles of the shards and writes them to Redis, never backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.shards import Group, ShardUpdate
from flows.tail import LogReplaced
from infra import metrics
from infra.feature_store import SHARDS, EntityKey
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

    def write(
        self,
        shard: int,
        blobs: Mapping[EntityKey, bytes],
        progress: Sequence[int],
        expected: Sequence[int] | None,
    ) -> bool:
        """Writes all or, where another writer is ahead, nothing."""


class Shard:
    """One shard: its entities' tiles in memory, and its progress.

    Takes updates in any split; what the store has already is skipped, so that each event counts
    once however often it is read.
    """

    def __init__(
        self,
        store: Store,
        layouts: Mapping[str, EntityLayout],
        shard: int,
        partitions: int,
        horizon: int,
    ) -> None:
        self._store = store
        self._layouts = layouts
        self._horizon = horizon
        self._shard = shard
        self._partitions = partitions
        self._newest = 0
        self._writes = 0
        self._load()

    def take(self, updates: Sequence[ShardUpdate]) -> None:
        """Applies updates and writes them; raises StoreWentBack where the store lost something."""
        while not self._apply_and_write(updates):
            metrics.WRITES_REFUSED.labels(str(self._shard)).inc()
            self._load()

    def _load(self) -> None:
        self._tables = {
            name: TileTable(layout, self._partitions) for name, layout in self._layouts.items()
        }
        self._stored = self._store.progress(self._shard)
        self._progress = list(self._stored or [0] * self._partitions)

    def _apply_and_write(self, updates: Sequence[ShardUpdate]) -> bool:
        groups = [(u.partition, g) for u in updates for g in self._new(u)]
        self._fetch([group for _, group in groups])
        for partition, group in groups:
            table = self._tables[group.entity]
            table.update(group.event, group.keys, group.records, partition, group.offsets)
        return self._write()

    def _new(self, update: ShardUpdate) -> list[Group]:
        """The groups that are not in yet, without what is; moves the progress."""
        done = self._progress[update.partition]
        if update.next <= done:
            return []
        if done and update.start > done:
            raise LogReplaced(
                f"shard {self._shard} waits for offset {done} of partition {update.partition} of "
                f"events, but the log goes on at {update.start}: records are missing"
            )
        self._progress[update.partition] = update.next
        self._newest = max(self._newest, update.newest)
        if update.start >= done:
            return update.groups
        return [left for group in update.groups if (left := group.since(done)).keys]

    def _fetch(self, groups: Sequence[Group]) -> None:
        """Loads the entities that are not in memory, all in one round trip."""
        wanted = [
            (group.entity, key)
            for group in groups
            for key in self._tables[group.entity].missing(group.keys)
        ]
        if wanted:
            for (entity, key), blob in zip(wanted, self._store.read(wanted), strict=True):
                self._tables[entity].load(key, blob)

    def _write(self) -> bool:
        progress = tuple(self._progress)
        if progress == self._stored:
            return True
        blobs = {}
        for entity, table in self._tables.items():
            touched = table.touched()
            blobs.update({(entity, key): blob for key, blob in touched.items()})
            metrics.ENTITIES_WRITTEN.labels(entity).inc(len(touched))
        if not self._store.write(self._shard, blobs, progress, self._stored):
            return False
        self._stored = progress
        self._writes += 1
        if self._writes % EVICT_EVERY == 0:
            for table in self._tables.values():
                table.evict(self._newest - self._horizon)
        return True


class TilePart(StatefulSinkPartition[ShardUpdate, None]):  # type: ignore[misc]
    """A shard as a part of the sink. Its state is in Redis; Bytewax has none to keep."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def write_batch(self, values: Sequence[ShardUpdate]) -> None:
        """Merges what has come into one write: of each entity only the newest record is sent."""
        self._shard.take(values)

    def snapshot(self) -> None:
        """Nothing."""
        return


class TileSink(FixedPartitionedSink[ShardUpdate, None]):  # type: ignore[misc]
    """The shards, shared out among the workers; items are keyed by shard number."""

    def __init__(
        self, store: Store, layouts: Mapping[str, EntityLayout], partitions: int, horizon: int
    ) -> None:
        self._horizon = horizon
        self._store = store
        self._layouts = layouts
        self._partitions = partitions

    def list_parts(self) -> list[str]:
        """The shards' numbers."""
        return [str(shard) for shard in range(SHARDS)]

    def part_fn(self, item_key: str) -> int:
        """The shard itself."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> TilePart:
        """Starts from what Redis holds."""
        shard = Shard(self._store, self._layouts, int(for_part), self._partitions, self._horizon)
        return TilePart(shard)
