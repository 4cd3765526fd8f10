"""Parts of sources: how each rests and ends, how one merges topics, how they make a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.merge import Decode, Entry, Feed, Merge
from flows.reading import Reading
from flows.tail import Position

Positions = tuple[Position, ...]


class Part(StatefulSourcePartition[Any, Any]):  # type: ignore[misc]
    """Common to the parts: rests at the live edge, ends when asked or at the end of the log."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._idle = False

    def next_batch(self) -> Iterable[Any]:
        """What has arrived, as one item; StopIteration at the end."""
        if self.reading.stop.asked or (self.reading.until_end and self.ended()):
            raise StopIteration
        items = self.read()
        self._idle = not items or self.ended()
        return items

    def next_awake(self) -> datetime | None:
        """At once while there is more; at the edge at the next tick, which all parts share.

        So what comes to several partitions in a tick is worked through, and written, together.
        """
        if not self._idle:
            return None
        rest = self.reading.rest.total_seconds()
        return datetime.fromtimestamp((time.time() // rest + 1) * rest, UTC)

    def read(self) -> list[Any]:
        """What has arrived."""
        raise NotImplementedError

    def ended(self) -> bool:
        """Whether all that is in the log was read."""
        raise NotImplementedError


class MergedPart(Part):
    """All partitions of some topics, merged by event time; of equal times the first first.

    `decoding` are the topics' streams in their order, each with how its records are decoded.
    """

    def __init__(
        self, reading: Reading, decoding: Mapping[str, Decode], resume: Positions | None
    ) -> None:
        super().__init__(reading)
        places = reading.places(decoding, resume)
        starts: Sequence[Position | None] = resume or [None] * len(places)
        self._merge = Merge(
            [
                Feed(reading.tail(stream, p, start), decoding[stream], reading.batch)
                for (stream, p), start in zip(places, starts, strict=True)
            ]
        )

    def take(self) -> list[Entry]:
        """Entries whose turn it is."""
        entries = self._merge.take(self.reading.batch)
        for feed in self._merge.feeds:
            self.reading.gauge(feed.records, ())
        return entries

    def lag(self) -> int:
        """Records that have not been read."""
        return sum(feed.records.lag() for feed in self._merge.feeds)

    def ended(self) -> bool:
        """Whether everything has been read."""
        return self._merge.ended()

    def snapshot(self) -> Positions:
        """Where to read on."""
        return tuple(feed.done for feed in self._merge.feeds)

    def close(self) -> None:
        """Leaves the broker."""
        self._merge.close()


class PartedSource(FixedPartitionedSource[Any, Any]):  # type: ignore[misc]
    """The source of a flow: parts by their names, the items of each in an order of their own.

    `make` gives a part, at the beginning where it is given None, else going on from its snapshot.

    A flow has one source. Bytewax ends the epochs of each source by a clock that it starts when the
    source's parts are built, and lets no source go on into an epoch before the others are there:
    with two, one stands still for as long as the clocks differ, at the end of every epoch, and
    keeps a processor busy meanwhile. The parts of one source share its clock.
    """

    def __init__(self, make: Mapping[str, Callable[[Any], Part]]) -> None:
        self._make = make

    def list_parts(self) -> list[str]:
        """Their names."""
        return list(self._make)

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> Part:
        """A part, where its snapshot left it."""
        return self._make[for_part](resume_state)
