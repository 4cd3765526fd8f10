"""The newest record of a partition, for a reader that is behind it to know by how much."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, TopicPartition

from infra import kafka
from infra.kafka import Raw, raw_of
from infra.settings import Settings

EVERY = 1.0
"""Seconds between two looks."""


class Edge:
    """Looks at the end of a partition in passing: asks in one call, and has the answer in a later.

    Its client is made at the first look, as a reader at the live edge never needs one.
    """

    def __init__(self, settings: Settings, topic: str, partition: int) -> None:
        self._settings = settings
        self._place = (topic, partition)
        self._client: Consumer | None = None
        self._asked = -EVERY
        self._asking = False
        self._newest: Raw | None = None

    def newest(self, end: int) -> Raw | None:
        """The newest record that was seen; `end` is the offset after the newest. Never waits."""
        if end <= 0:
            return self._newest
        if self._client is None:
            self._client = kafka.consumer(self._settings)
        for message in self._client.consume(100, 0):
            if message.error() is None:
                self._newest = raw_of(message)
                self.rest()
        if time.monotonic() - self._asked >= EVERY:
            self._asked = time.monotonic()
            self._client.assign([TopicPartition(*self._place, end - 1)])
            self._asking = True
        return self._newest

    def rest(self) -> None:
        """Asks no more for now: a client that reads somewhere goes on with all that comes."""
        if self._client is not None and self._asking:
            self._client.unassign()
            self._asking = False

    def close(self) -> None:
        """Leaves the broker."""
        if self._client is not None:
            self._client.close()
