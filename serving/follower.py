"""Follows a compacted topic of one partition in a thread of its own, and knows its newest records.

The request path only ever reads a reference that the thread swaps, so a swap costs it nothing.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from infra import kafka
from infra.registry import Registry, RegistryError
from infra.settings import Settings
from schemas.avro import CORE, Reader, Unreadable
from schemas.declare import Domain

_POLL = 0.2
_PAUSE_AFTER_FAULT = 1.0
_FALLBACKS = 3

_log = logging.getLogger(__name__)


class Follower(ABC):
    """Reads `stream` from its beginning and on; `records` are the schemas that belong there.

    What came is taken at the topic's present end, the newest records of each key.
    """

    def __init__(
        self,
        settings: Settings,
        domain: Domain,
        registry: Registry,
        stream: str,
        records: tuple[str, ...],
    ) -> None:
        self._settings = settings
        self._domain = domain
        self._registry = registry
        self._topic = domain.topic(stream)
        self._reader = Reader({name: CORE[name] for name in records}, registry.schema)
        self._waiting: dict[bytes, deque[Message]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=stream, daemon=True)
        self.caught_up = threading.Event()
        self.fault: str | None = None

    @abstractmethod
    def _take(self, key: str, messages: deque[Message]) -> None:
        """Takes the newest record of a key; those before it are there to fall back on."""

    def start(self) -> None:
        """Begins to follow the topic from its beginning."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        client = kafka.consumer(self._settings)
        try:
            self._rewind(client)
            while not self._stop.is_set():
                self._step(client)
        finally:
            client.close()

    def _rewind(self, client: Consumer) -> None:
        client.assign([TopicPartition(self._topic, 0, OFFSET_BEGINNING)])

    def _step(self, client: Consumer) -> None:
        message = client.poll(_POLL)
        try:
            if message is None:
                return
            if kafka.check(message, self._settings):
                self._waiting.setdefault(message.key() or b"", deque(maxlen=_FALLBACKS)).append(
                    message
                )
            else:
                self._at_end()
        except kafka.LogUnavailable as fault:
            self._note(fault)
        except (kafka.LogError, RegistryError) as fault:
            self._note(fault)
            self._stop.wait(_PAUSE_AFTER_FAULT)
            self._rewind(client)

    def _note(self, fault: Exception) -> None:
        if self.fault is None:
            _log.warning("%s cannot be followed: %s", self._topic, fault)
        self.fault = str(fault)

    def _at_end(self) -> None:
        for key, messages in self._waiting.items():
            self._take(key.decode(errors="replace"), messages)
        self._waiting.clear()
        self.fault = None
        self.caught_up.set()

    def _decode(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """Record name and record; raises Unreadable."""
        try:
            return self._reader.decode(data)
        except Unreadable as fault:
            if fault.reason != "unknown_schema" or fault.schema_id is None:
                raise
            self._registry.refresh([fault.schema_id])
            return self._reader.decode(data)
