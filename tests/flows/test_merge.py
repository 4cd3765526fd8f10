"""A merge that is held back at a place, as while a join's memory is rebuilt, and goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.merge import Entry, Feed, Merge
from flows.tail import Position
from infra.kafka import Raw


@dataclass
class Records:
    """A partition that gives all of its records and its end at once."""

    left: list[Raw]
    topic: str = "t"
    partition: int = 0
    at_end: bool = False
    position: Position = field(default_factory=lambda: Position(0))

    def take(self, limit: int) -> list[Raw]:
        taken, self.left = self.left[:limit], self.left[limit:]
        self.at_end = not self.left
        return taken

    def lag(self) -> int:
        return len(self.left)

    def newest(self) -> Raw | None:
        return None

    def close(self) -> None:
        return None


def decode(topic: str, partition: int, raws: Sequence[Raw]) -> list[Entry]:
    return [Entry(raw.time, "record", {"offset": raw.offset}) for raw in raws]


def feed(number: int, until: int) -> Feed:
    records = Records([Raw(offset, offset, None, b"") for offset in range(number)])
    return Feed(records, decode, 100, Position(until))


def test_what_was_read_ahead_of_a_held_place_is_not_the_end() -> None:
    merge = Merge([feed(5, until=2), feed(3, until=3)])
    assert [entry.time for entry in merge.take(100)] == [0, 0, 1, 1, 2]
    assert merge.ended()
    merge.lift()
    assert not merge.ended()
    assert [entry.time for entry in merge.take(100)] == [2, 3, 4]
    assert merge.ended()
