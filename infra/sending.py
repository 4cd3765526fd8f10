"""Sends records and accounts for the delivery of every one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, Message

from infra.kafka import Undelivered, producer
from infra.registry import Registry
from infra.settings import Settings
from schemas.avro import CORE, Codec, frame
from schemas.declare import Domain


@dataclass
class Sender:
    """Sends records of a domain's streams and accounts for the delivery of every one."""

    settings: Settings
    domain: Domain
    registry: Registry
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._producer = producer(self.settings, **self.overrides)
        self._codecs: dict[tuple[str, str], tuple[str, int, Codec]] = {}
        self._refused: list[str] = []
        self.sent = 0
        self.delivered = 0
        self.lost = 0
        self.positions: dict[tuple[str, int], int] = {}
        """The offset after the newest delivered record, by topic and partition."""

    def send(
        self,
        stream: str,
        name: str,
        record: Mapping[str, Any],
        key: str | bytes | None,
        time: int | None = None,
    ) -> None:
        """Sends a record of the schema `name`; `time` is its Kafka timestamp, now when left out.

        Returns before it is delivered: `flush` tells. With a full queue it waits. Raises
        Unwritable for a record that is not of its schema.
        """
        topic, schema_id, codec = self._codec(stream, name)
        self.send_bytes(topic, key, frame(schema_id, codec.encode(record)), time)

    def send_bytes(
        self,
        topic: str,
        key: str | bytes | None,
        value: bytes | None,
        time: int | None = None,
    ) -> None:
        """Sends what is encoded already."""
        more = {} if time is None else {"timestamp": time}
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=self._on_delivery, **more)
                break
            except BufferError:
                self._producer.poll(0.05)
        self.sent += 1
        self._producer.poll(0)

    def flush(self, timeout: float | None = None) -> None:
        """Waits for every delivery; raises Undelivered if any record was or may be lost."""
        seconds = self.settings.wait_s if timeout is None else timeout
        left = self._producer.flush(seconds)
        if left or self.lost:
            why = "; ".join(self._refused) or f"unacknowledged after {seconds:g} s"
            lost, self.lost, self._refused = self.lost, 0, []
            raise Undelivered(
                f"{lost + left} of {self.sent} records not delivered to "
                f"{self.settings.brokers}: {why}"
            )

    def _codec(self, stream: str, name: str) -> tuple[str, int, Codec]:
        found = self._codecs.get((stream, name))
        if found is None:
            topic = self.domain.topic(stream)
            codec = Codec({**CORE, **self.domain.schemas}[name])
            schema_id = self.registry.id_of(f"{topic}-{codec.name}", codec.schema)
            found = self._codecs[stream, name] = (topic, schema_id, codec)
        return found

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
            self.positions[message.topic(), message.partition()] = message.offset() + 1
            return
        self.lost += 1
        if len(self._refused) < 3:
            self._refused.append(f"{message.topic()}: {error.str()}")
