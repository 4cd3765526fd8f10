"""Follows topics of one partition in a thread of its own, and knows what stands in them.

The request path only ever reads a reference that the thread swaps, so a swap costs it nothing.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from infra import kafka
from infra.registry import Registry, RegistryError
from infra.settings import Settings
from infra.topics import COMPACTED
from schemas.avro import CORE, Reader, Unreadable
from schemas.declare import Domain

_POLL = 0.2
_FETCH_WAIT_MS = 100
"""The embedded broker answers a fetch late, at half of this, where something came meanwhile: a
model may be so old, and asking more often would cost it more than the models do."""
_PAUSE_AFTER_FAULT = 1.0
_FALLBACKS = 3

_log = logging.getLogger(__name__)


class Follower(ABC):
    """Reads topics from their beginning and on; `streams` has the schema that belongs in each.

    What came is taken when all are read to their present ends: of a compacted topic the newest
    records of each key, else all.
    """

    def __init__(
        self,
        settings: Settings,
        domain: Domain,
        registry: Registry,
        streams: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._domain = domain
        self._registry = registry
        self._readers = {
            domain.topic(stream): Reader({name: CORE[name]}, registry.schema)
            for stream, name in streams.items()
        }
        self._compacted = {domain.topic(stream) for stream in streams if stream in COMPACTED}
        self._behind = {*self._readers}
        self._waiting: dict[tuple[str, bytes], deque[Message]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="+".join(streams), daemon=True)
        self.caught_up = threading.Event()
        self.fault: str | None = None

    @abstractmethod
    def _take(self, topic: str, key: str, messages: deque[Message]) -> None:
        """Takes what came with a key, oldest first; where the newest counts it may fall back."""

    def start(self) -> None:
        """Begins to follow the topics from their beginning."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        client = kafka.consumer(self._settings, fetch_wait_max_ms=_FETCH_WAIT_MS)
        try:
            self._rewind(client)
            while not self._stop.is_set():
                self._step(client)
        finally:
            client.close()

    def _rewind(self, client: Consumer) -> None:
        self._behind = {*self._readers}
        client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in self._readers])

    def _step(self, client: Consumer) -> None:
        message = client.poll(_POLL)
        try:
            if message is None:
                return
            if kafka.check(message, self._settings):
                self._hold(message)
            else:
                self._at_end(message.topic())
        except kafka.LogUnavailable as fault:
            self._note(fault)
        except (kafka.LogError, RegistryError) as fault:
            self._note(fault)
            self._stop.wait(_PAUSE_AFTER_FAULT)
            self._rewind(client)

    def _hold(self, message: Message) -> None:
        topic, key = message.topic(), message.key() or b""
        self._behind.add(topic)
        kept = _FALLBACKS if topic in self._compacted else None
        self._waiting.setdefault((topic, key), deque(maxlen=kept)).append(message)

    def _note(self, fault: Exception) -> None:
        if self.fault is None:
            _log.warning("%s cannot be followed: %s", ", ".join(self._readers), fault)
        self.fault = str(fault)

    def _at_end(self, topic: str) -> None:
        self._behind.discard(topic)
        if self._behind:
            return
        for (source, key), messages in self._waiting.items():
            self._take(source, key.decode(errors="replace"), messages)
        self._waiting.clear()
        self.fault = None
        self.caught_up.set()

    def _decode(self, message: Message) -> dict[str, Any]:
        """The record; raises Unreadable."""
        reader, data = self._readers[message.topic()], message.value()
        try:
            return reader.decode(data)[1]
        except Unreadable as fault:
            if fault.reason != "unknown_schema" or fault.schema_id is None:
                raise
            self._registry.refresh([fault.schema_id])
            return reader.decode(data)[1]
