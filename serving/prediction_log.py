"""Writes every answer to the `predictions` topic, without a request ever waiting for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from confluent_kafka import KafkaError, Message

from infra import kafka, metrics
from infra.registry import Registry
from infra.settings import Settings
from schemas.avro import CORE, Codec, Unwritable, frame
from schemas.declare import Domain
from serving.packing import Packer

QUEUE = 500_000
"""Records that wait for the broker at most: a minute without one at 8,000 answers a second."""
LINGER_MS = 200
"""Nobody waits for a prediction's record, and fewer, larger batches are less work for a broker."""

_log = logging.getLogger(__name__)


class Log(Protocol):
    """Where the records of answers go."""

    @property
    def is_open(self) -> bool:
        """Whether the log can take records."""

    def open(self) -> None:
        """Makes it able to; blocks. Raises LogError or RegistryError where it cannot."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Takes a record of `prediction.avsc`; never waits."""

    def poll(self) -> None:
        """Takes note of deliveries; to be called now and then."""

    def flush(self) -> None:
        """Waits until all is delivered, however long that takes; Undelivered if one was lost."""

    def close(self) -> None:
        """Waits for every delivery so far; raises Undelivered if any record was or may be lost."""


class PredictionLog:
    """Hands records to librdkafka, which retries for as long as the broker is away.

    A record is lost only when the queue is full or the broker refuses it for good; either is
    counted and makes `close` raise.
    """

    def __init__(self, settings: Settings, domain: Domain, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._topic = domain.topic("predictions")
        self._codec = Codec(CORE["prediction"])
        self._encode = Packer(self._codec).encode
        self._schema_id: int | None = None
        self._producer = kafka.producer(
            settings, queue_buffering_max_messages=QUEUE, message_timeout_ms=0, linger_ms=LINGER_MS
        )
        self.answered = 0
        self.logged = 0
        self.lost = 0

    @property
    def is_open(self) -> bool:
        """Whether the log can take records."""
        return self._schema_id is not None

    def open(self) -> None:
        """Registers the schema; blocks. Raises LogError or RegistryError where it cannot."""
        subject = f"{self._topic}-{self._codec.name}"
        self._schema_id = self._registry.id_of(subject, self._codec.schema)

    def write(self, record: Mapping[str, Any]) -> None:
        """Queues a record of `prediction.avsc`; never waits."""
        if self._schema_id is None:
            raise kafka.LogUnavailable("the prediction log is not open")
        self.answered += 1
        try:
            value = frame(self._schema_id, self._encode(record))
            self._producer.produce(self._topic, value, record["id"], on_delivery=self._on_delivery)
        except Unwritable as fault:
            self._count_lost(str(fault))
        except BufferError:
            self._count_lost(f"{len(self._producer)} records wait already")

    def poll(self) -> None:
        """Takes note of deliveries; to be called now and then."""
        self._producer.poll(0)
        metrics.PREDICTIONS_QUEUED.set(len(self._producer))

    def flush(self) -> None:
        """Waits until the log has all, however long it is away; Undelivered if one was lost.

        Others may record meanwhile: what is theirs may still be on its way when this returns.
        """
        while self._producer.flush(1.0):
            _log.debug("%s: %d answers wait for the log", self._topic, len(self._producer))
        self._all_there(0)

    def close(self) -> None:
        """Waits for every delivery so far; raises Undelivered if any record was or may be lost."""
        self._all_there(self._producer.flush(self._settings.wait_s))

    def _all_there(self, left: int) -> None:
        if left or self.lost:
            raise kafka.Undelivered(
                f"{self._topic}: {self.lost} of {self.answered} predictions lost, "
                f"{left} not acknowledged by {self._settings.brokers}"
            )

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.logged += 1
            metrics.PREDICTIONS_LOGGED.inc()
        else:
            self._count_lost(error.str())

    def _count_lost(self, why: str) -> None:
        if self.lost == 0:
            _log.error("predictions are lost: %s", why)
        self.lost += 1
        metrics.PREDICTIONS_LOST.inc()


class NoLog:
    """Takes records and keeps none: for answers that nothing shall be learned from."""

    is_open = True

    def open(self) -> None:
        """Nothing."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Nothing."""

    def poll(self) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
