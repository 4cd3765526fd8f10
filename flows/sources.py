"""Where the features flow reads: the partitions of `events`, as batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bytewax.inputs import FixedPartitionedSource

from flows.parts import Part
from flows.reading import Reading
from flows.tail import Position
from infra.kafka import Raw


class EventBatch(NamedTuple):
    """Records of one partition of `events`: those from offset `start` up to `next`."""

    partition: int
    start: int
    next: int
    raws: list[Raw]


class EventsPart(Part):
    """One partition of `events`, as batches."""

    def __init__(self, reading: Reading, partition: int, start: Position | None) -> None:
        super().__init__(reading)
        self._tail = reading.tail("events", partition, start)

    def read(self) -> list[EventBatch]:
        """One batch, or none."""
        start = self._tail.position.offset
        raws = self._tail.take(self.reading.batch)
        self.reading.gauge(self._tail, raws)
        if not raws:
            return []
        return [EventBatch(self._tail.partition, start, self._tail.position.offset, raws)]

    def ended(self) -> bool:
        """Whether the partition is at its end."""
        return self._tail.at_end

    def snapshot(self) -> Position:
        """Where to read on."""
        return self._tail.position

    def close(self) -> None:
        """Leaves the broker."""
        self._tail.close()


class EventsSource(FixedPartitionedSource[EventBatch, Position]):  # type: ignore[misc]
    """The partitions of `events`.

    `progress` gives, for a partition, the offset that the views still wait for; a part starts
    there when the snapshot is ahead of it, so that emptied views are filled again from the log.
    """

    def __init__(self, reading: Reading, progress: Callable[[int], int]) -> None:
        self._reading = reading
        self._progress = progress

    def list_parts(self) -> list[str]:
        """The partitions' numbers."""
        return [str(p) for p in self._reading.partitions("events")]

    def build_part(self, step_id: str, for_part: str, resume_state: Position | None) -> EventsPart:
        """Starts at the smaller of snapshot and progress."""
        partition, wanted = int(for_part), self._progress(int(for_part))
        start = Position(wanted)
        if resume_state is not None and resume_state.offset <= wanted:
            start = resume_state
        elif resume_state is not None and wanted:
            self._reading.tail("events", partition, resume_state).close()  # is it the same log?
        return EventsPart(self._reading, partition, start)
