"""Several partitions read as one stream, in event-time order.

At the live edge nothing waits: a partition is waited for only while it is not at its end. On a
replay, where all is in the log already, the order therefore depends on the records alone.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from flows.tail import ANEW, LogReplaced, Position, mark_of
from infra.kafka import OffsetLost, Raw

AT_ONCE = -(2**63)


class Entry(NamedTuple):
    """A decoded record, or a dead letter (`name` is empty), to be merged by its time."""

    time: int
    name: str
    record: dict[str, Any]


class Records(Protocol):
    """What a merge needs of a partition; `flows.tail.Tail` has it."""

    topic: str
    partition: int
    at_end: bool
    position: Position

    def take(self, limit: int) -> list[Raw]:
        """Records that have arrived."""

    def lag(self) -> int:
        """Records that have not been taken."""

    def newest(self) -> Raw | None:
        """The newest record, where it is known; asked for at the end, it is looked for no more."""

    def close(self) -> None:
        """No more are wanted."""


Decode = Callable[[str, int, Sequence[Raw]], list[Entry]]
"""Gives one entry for every record, in their order."""


@dataclass(slots=True)
class Feed:
    """One partition of a merge, read `ahead` so many; `until` holds back what stands from it on.

    `last` is the record that was merged last.
    """

    records: Records
    decode: Decode
    ahead: int
    until: Position | None = None
    queue: deque[tuple[Raw, Entry]] = field(default_factory=deque)
    last: Raw | None = None
    _start: Position = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.records.position

    @property
    def done(self) -> Position:
        """After the record that was merged last."""
        last = self.last
        return self._start if last is None else Position(last.offset + 1, mark_of(last))

    @property
    def closed(self) -> bool:
        """Whether all before `until` has been merged."""
        if self.until is None:
            return False
        next_ = self._start.offset if self.last is None else self.last.offset + 1
        return next_ >= self.until.offset

    def time(self) -> int | None:
        """The time of the next entry; None where none has arrived."""
        if not self.queue and not self.closed:
            raws = self.records.take(self.ahead)
            entries = self.decode(self.records.topic, self.records.partition, raws)
            self.queue.extend(zip(raws, entries, strict=True))
        return self.queue[0][1].time if self.queue and not self.closed else None

    def at_end(self) -> bool:
        """Whether nothing has to be waited for; raises OffsetLost before `until` is reached."""
        if self.closed:
            return True
        if self.until is not None and self.records.at_end and not self.queue:
            raise OffsetLost(
                f"{self.records.topic}/{self.records.partition} ends at {self.done.offset}, but "
                f"was read up to {self.until.offset}: it is another log. {ANEW}"
            )
        return self.records.at_end and not self.queue

    def pop(self) -> Entry:
        """Takes the next entry; raises LogReplaced where it is not the one read before."""
        raw, entry = self.queue.popleft()
        self.last = raw
        if self.until is not None and self.until.mark is not None and self.closed:
            self._compare(self.until)
        return entry

    def _compare(self, until: Position) -> None:
        if self.done != until:
            raise LogReplaced(
                f"{self.records.topic}/{self.records.partition} holds another record before offset "
                f"{until.offset} than the one that was read: it is another log. {ANEW}"
            )


class Merge:
    """Merges feeds by time, those of equal time by their order in `feeds`."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self.feeds = feeds
        self._heads: list[tuple[int, int]] = []
        self._missing = set(range(len(feeds)))

    def take(self, limit: int) -> list[Entry]:
        """Up to `limit` entries whose turn is certain; none where something must be waited for."""
        out: list[Entry] = []
        for i in sorted(self._missing):
            self._offer(i)
        while self._heads and len(out) < limit and not self._must_wait():
            _, i = heapq.heappop(self._heads)
            out.append(self.feeds[i].pop())
            self._offer(i)
        return out

    def ended(self) -> bool:
        """Whether every feed is at its end and merged."""
        return not self._heads and not self._must_wait()

    def lift(self) -> None:
        """Goes on beyond `until`."""
        for feed in self.feeds:
            feed.until = None

    def close(self) -> None:
        """Leaves the log."""
        for feed in self.feeds:
            feed.records.close()

    def _offer(self, i: int) -> None:
        time = self.feeds[i].time()
        if time is None:
            self._missing.add(i)
        else:
            self._missing.discard(i)
            heapq.heappush(self._heads, (time, i))

    def _must_wait(self) -> bool:
        return bool(self._missing) and any(not self.feeds[i].at_end() for i in self._missing)
