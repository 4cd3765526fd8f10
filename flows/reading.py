"""What every source of a flow shares: what it reads from, how, and until when."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from datetime import timedelta

from flows.fetcher import Fetcher
from flows.merge import Records
from flows.tail import ANEW, Position, Tail
from infra import kafka, metrics
from infra.decoding import Decoder
from infra.kafka import OffsetLost, Raw
from infra.registry import Registry
from infra.settings import Settings
from schemas.avro import CORE, Reader, Unreadable
from schemas.declare import Domain, Schema

BATCH = 2_000
"""So many records share the cost of an item; twice as many gain little and wait longer."""
IDLE, PATIENT_IDLE = timedelta(milliseconds=20), timedelta(milliseconds=100)
"""How long sources with nothing to read let a flow rest."""
FETCH_WAIT_MS, PATIENT_FETCH_WAIT_MS = 20, 200
"""Events shall be servable at once. Labels come after hours and a model learns for milliseconds:
asking for them as often would only cost broker and flows a core while nothing happens. The embedded
broker answers no fetch before the wait is over, and looks through all batches of the partition."""


class Stop:
    """Asks every source of this process to end as if its log had ended."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        """From now on sources end."""
        self.asked = True


@dataclass(slots=True)
class Reading:
    """How a flow reads: from what, until when, and under which name its metrics stand.

    `batch` is the most records that make an item, `rest` how long a source with nothing to read
    lets the flow rest, `workers` how many workers of all processes share it. `examples_end` is
    known once the join has ended: the offset up to which there are examples.
    """

    settings: Settings
    domain: Domain
    registry: Registry
    flow: str
    until_end: bool = False
    batch: int = BATCH
    rest: timedelta = PATIENT_IDLE
    workers: int = 1
    stop: Stop = field(default_factory=Stop)
    examples_end: int | None = None
    _reader: Reader = field(init=False, repr=False)
    _fetchers: dict[tuple[int, int], Fetcher] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._reader = Reader({**CORE, **self.domain.schemas}, self.registry.schema)

    def tail(self, stream: str, partition: int, start: Position | None) -> Tail:
        """A reader of one partition of one of the domain's topics."""
        wait_ms = FETCH_WAIT_MS if stream == "events" else PATIENT_FETCH_WAIT_MS
        topic, live = self.domain.topic(stream), not self.until_end
        return Tail(self.settings, self._fetcher(wait_ms), topic, partition, start, live)

    def partitions(self, stream: str) -> range:
        """The partitions of one of the domain's topics."""
        return range(kafka.partitions_of(self.settings, self.domain.topic(stream)))

    def places(self, streams: Collection[str], done: Sized | None) -> list[tuple[str, int]]:
        """Stream and partition of all that is to be merged.

        Raises OffsetLost where they are not as many as the positions of a snapshot, `done`: what
        was merged before then had another order.
        """
        places = [
            (stream, partition) for stream in streams for partition in self.partitions(stream)
        ]
        if done is not None and len(done) != len(places):
            raise OffsetLost(
                f"{self.flow} had read {len(done)} partitions of {', '.join(streams)}; expected as "
                f"many, found {len(places)}: topics, or the streams that the domain needs, were "
                f"changed. {ANEW}"
            )
        return places

    def decoder(self, schemas: Mapping[str, Schema]) -> Decoder:
        """A decoder of records, by name."""
        return Decoder(schemas, self.registry, self.flow, self.domain.earliest)

    def _fetcher(self, wait_ms: int) -> Fetcher:
        """The client of this thread, a worker's, for fetches of that patience."""
        of = (threading.get_ident(), wait_ms)
        if of not in self._fetchers:
            self._fetchers[of] = Fetcher(self.settings, wait_ms)
        return self._fetchers[of]

    def gauge(self, tail: Records, taken: Sequence[Raw]) -> None:
        """Tells the metrics how far behind a tail is, in records and in event time."""
        place = (self.flow, tail.topic, str(tail.partition))
        metrics.LAG_RECORDS.labels(*place).set(tail.lag())
        newest = tail.newest()
        behind = 0 if tail.at_end else self._behind(newest, taken)
        if behind is not None:
            metrics.LAG_SECONDS.labels(*place).set(behind / 1_000)

    def _behind(self, newest: Raw | None, taken: Sequence[Raw]) -> int | None:
        """Event time (ms) from the last record taken to the newest; None where it is not known."""
        if newest is None or not taken:
            return None
        try:
            (_, end), (_, now) = (self._reader.decode(raw.value) for raw in (newest, taken[-1]))
        except Unreadable:
            return None
        return max(0, int(end.get("time", 0)) - int(now.get("time", 0)))
