"""One client of the broker for all partitions that a thread reads: one fetch asks for all of them.

A client for each partition would ask the broker for each; the embedded one takes half a millisecond
for a fetch, whatever it finds.
"""

from __future__ import annotations

import time
from collections import deque

from confluent_kafka import Consumer, Message, TopicPartition

from infra import kafka
from infra.settings import Settings

Place = tuple[str, int]
"""A topic and one of its partitions."""

AT_ONCE = 4_000
"""Messages taken from the client in one call."""
AHEAD = 40_000
"""Messages of a partition that may wait until they are taken; then the others are read alone."""
_PREFETCHED_KB = 64 * 1024
_BACKOFF_MS = 50
"""How long no more is fetched where that is waiting: the default, a second, is a standstill."""


class Fetcher:
    """Reads partitions from offsets on, without blocking; of one thread.

    `wait_ms` is how long the broker may hold a fetch that finds nothing.
    """

    def __init__(self, settings: Settings, wait_ms: int) -> None:
        self._settings = settings
        self._wait_ms = wait_ms
        self._client: Consumer | None = None
        self._queues: dict[Place, deque[Message]] = {}
        self._paused: set[Place] = set()

    def oldest(self, place: Place) -> int:
        """The first offset that the partition has; asks the broker. Raises LogError."""
        return kafka.watermarks(self._connected(), self._settings, *place)[0]

    def end(self, place: Place) -> int:
        """The offset after the partition's newest record, as far as the broker has told."""
        at = TopicPartition(*place)
        return int(self._connected().get_watermark_offsets(at, cached=True)[1])

    def begin(self, place: Place, offset: int) -> None:
        """Reads a partition from there on; raises ValueError where it is being read already."""
        if place in self._queues:
            raise ValueError(f"{place[0]}/{place[1]} is being read already")
        self._queues[place] = deque()
        self._connected().incremental_assign([TopicPartition(*place, offset)])

    def end_reading(self, place: Place) -> None:
        """Reads a partition no longer; the last one leaves the broker."""
        if self._queues.pop(place, None) is None or self._client is None:
            return
        self._paused.discard(place)
        if self._queues:
            self._client.incremental_unassign([TopicPartition(*place)])
        else:
            self._client.close()
            self._client = None

    def take(self, place: Place, limit: int) -> list[Message]:
        """Up to `limit` messages of a partition that have come, ends and faults among them."""
        queue = self._queues[place]
        while len(queue) < limit and self._receive(0):
            pass
        return self._popped(place, limit)

    def wait(self, place: Place, seconds: float) -> Message | None:
        """A partition's next message; None where none comes in time."""
        deadline = time.monotonic() + seconds
        while not self._queues[place] and time.monotonic() < deadline:
            self._receive(0.1)
        return next(iter(self._popped(place, 1)), None)

    def _connected(self) -> Consumer:
        if self._client is None:
            self._client = kafka.consumer(
                self._settings,
                queued_max_messages_kbytes=_PREFETCHED_KB,
                fetch_queue_backoff_ms=_BACKOFF_MS,
                fetch_wait_max_ms=self._wait_ms,
            )
        return self._client

    def _receive(self, seconds: float) -> bool:
        """Shares out what has come; gives whether anything has."""
        messages = self._connected().consume(AT_ONCE, seconds)
        for message in messages:
            queue = self._queues.get((message.topic(), message.partition()))
            if queue is None:
                kafka.check(message, self._settings)  # of a partition that was left meanwhile
            else:
                queue.append(message)
        for place, queue in self._queues.items():
            if len(queue) >= AHEAD and place not in self._paused:
                self._connected().pause([TopicPartition(*place)])
                self._paused.add(place)
        return bool(messages)

    def _popped(self, place: Place, limit: int) -> list[Message]:
        queue = self._queues[place]
        found = [queue.popleft() for _ in range(min(limit, len(queue)))]
        if place in self._paused and len(queue) < AHEAD // 2:
            self._connected().resume([TopicPartition(*place)])
            self._paused.discard(place)
        return found
