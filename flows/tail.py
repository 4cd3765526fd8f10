"""One partition of a topic, read without blocking from a position on."""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from flows.edge import Edge
from flows.fetcher import Fetcher
from infra import kafka
from infra.kafka import OffsetLost, Raw, raw_of
from infra.settings import Settings

ANEW = (
    "Choose another HEADRACE_GENERATION and run `headrace topics --create` with it, to build the "
    "views from the log as it is now"
)
"""What to do where the log is not the one that a view was built from."""


class Position(NamedTuple):
    """The offset to read next, and the checksum of the record before it (None: not known)."""

    offset: int
    mark: int | None = None


class LogReplaced(OffsetLost):
    """The log holds other records than the ones that a view was built from."""


def mark_of(record: Raw) -> int:
    """Checksum that tells a record from another one at the same offset of another log."""
    return crc32(record.value or b"", crc32(record.key or b"", record.time & 0xFFFFFFFF))


class Tail:
    """Reads one partition; `at_end` says whether all that was in it has been taken.

    Starts at `start`, at the oldest record when that is None or 0. Raises OffsetLost when the log
    does not hold the record before `start`, LogReplaced when it holds another one: going on would
    silently skip records.

    A partition into which something is written more often than a fetch is answered never tells its
    end: no fetch finds nothing. A `live` one is at its end as well when all is taken that the last
    fetch knew of.
    """

    def __init__(
        self,
        settings: Settings,
        fetcher: Fetcher,
        topic: str,
        partition: int,
        start: Position | None = None,
        live: bool = False,
    ) -> None:
        self.topic, self.partition = topic, partition
        self._place = (topic, partition)
        self._live = live
        self._settings = settings
        self._fetcher = fetcher
        self._edge = Edge(settings, topic, partition)
        self.position = self._begin(start)
        self.at_end = False

    def take(self, limit: int) -> list[Raw]:
        """Up to `limit` records that have arrived; never waits. Raises LogError."""
        records = []
        for message in self._fetcher.take(self._place, limit):
            if message.error() is None:
                records.append(raw_of(message))
                self.at_end = False
            else:
                kafka.check(message, self._settings)
                self.at_end = True
        if records:
            self.position = Position(records[-1].offset + 1, mark_of(records[-1]))
            self.at_end = self.at_end or (
                self._live and self.position.offset >= self._fetcher.end(self._place)
            )
        return records

    def lag(self) -> int:
        """Records of the partition that have not been taken, as far as the broker has told."""
        return 0 if self.at_end else max(0, self._fetcher.end(self._place) - self.position.offset)

    def newest(self) -> Raw | None:
        """The partition's newest record, None at its end or where it is not known; never waits."""
        if self.at_end:
            self._edge.rest()
            return None
        return self._edge.newest(self._fetcher.end(self._place))

    def close(self) -> None:
        """Leaves the broker."""
        self._edge.close()
        self._fetcher.end_reading(self._place)

    def _begin(self, start: Position | None) -> Position:
        oldest = self._fetcher.oldest(self._place)
        if start is None or start.offset == 0:
            self._fetcher.begin(self._place, oldest)
            return Position(oldest)
        self._fetcher.begin(self._place, max(start.offset - 1, oldest))
        if start.offset == oldest:
            return start  # retention has just taken the record before it
        before = self._first(start)
        if before.offset != start.offset - 1:
            raise OffsetLost(self._complaint(start, f"its oldest record is {before.offset}"))
        if start.mark is not None and start.mark != mark_of(before):
            raise LogReplaced(self._complaint(start, "it holds another record there"))
        return Position(start.offset, mark_of(before))

    def _first(self, start: Position) -> Raw:
        """The first record from the assigned offset on; some brokers say nothing past the end."""
        message = self._fetcher.wait(self._place, self._settings.wait_s)
        if message is not None and kafka.check(message, self._settings):
            return raw_of(message)
        raise OffsetLost(self._complaint(start, "it ends before"))

    def _complaint(self, start: Position, found: str) -> str:
        return (
            f"{self.topic}/{self.partition} on {self._settings.brokers} was read up to offset "
            f"{start.offset}, but {found}: the log is not the one that generation "
            f"{self._settings.generation!r} was built from, or retention was faster. {ANEW}"
        )
