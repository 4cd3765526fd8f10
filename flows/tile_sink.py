"""The sink of the features flow: every worker keeps its share of the shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.shards import ShardUpdate
from flows.tiles import Shards, Store
from infra.feature_store import SHARDS
from online_models.features.layout import EntityLayout


class TilePart(StatefulSinkPartition[ShardUpdate, None]):  # type: ignore[misc]
    """A worker's shards as a part of the sink; their state is in Redis, Bytewax keeps none."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def write_batch(self, values: Sequence[ShardUpdate]) -> None:
        """Merges what has come into one write: of each entity only the newest record is sent."""
        self._shards.take(values)

    def snapshot(self) -> None:
        """Nothing."""
        return


class TileSink(FixedPartitionedSink[ShardUpdate, None]):  # type: ignore[misc]
    """As many parts as there are workers, a shard each at most; items are keyed by shard."""

    def __init__(
        self,
        store: Store,
        layouts: Mapping[str, EntityLayout],
        partitions: int,
        horizon: int,
        workers: int,
    ) -> None:
        self._horizon = horizon
        self._store = store
        self._layouts = layouts
        self._partitions = partitions
        self._parts = min(workers, SHARDS)

    def list_parts(self) -> list[str]:
        """The parts' numbers."""
        return [str(part) for part in range(self._parts)]

    def part_fn(self, item_key: str) -> int:
        """The shard; its remainder by the number of parts is the part."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> TilePart:
        """Starts from what Redis holds."""
        numbers = range(int(for_part), SHARDS, self._parts)
        shards = Shards(self._store, self._layouts, numbers, self._partitions, self._horizon)
        return TilePart(shards)
