"""Kafka clients and reading; the same for the embedded broker, Kafka and Redpanda."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from infra.settings import Settings

_LOG = logging.getLogger(__name__)
LARGEST_MESSAGE = 16 * 2**20
_LOST = (
    "retention or a new broker took the record to go on from, so the views must be rebuilt from "
    "what is there, in a new generation"
)


class LogError(RuntimeError):
    """The log could not be read or written; names the broker, the topic and what to do."""


class LogUnavailable(LogError):
    """No broker answers."""


class UnknownTopic(LogError):
    """The topic does not exist."""


class OffsetLost(LogError):
    """The log no longer has, or never had, the record to go on from."""


class Undelivered(LogError):
    """Records that were sent did not reach the log."""


class Raw(NamedTuple):
    """A message as the log has it; `time` is the broker's record of it, in milliseconds."""

    offset: int
    time: int
    key: bytes | None
    value: bytes | None


def raw_of(message: Message) -> Raw:
    """A confluent-kafka message, as plain values that can be pickled."""
    fields = (message.offset(), message.timestamp()[1], message.key(), message.value())
    return tuple.__new__(Raw, fields)  # three times as fast as by name


def options(settings: Settings) -> dict[str, Any]:
    """What every client is told: where the brokers are, and the free options of the settings."""
    return {
        "bootstrap.servers": settings.brokers,
        "log_level": 0,
        "error_cb": _report,
        **settings.kafka_options,
    }


def _report(error: KafkaError) -> None:
    """Faults that librdkafka mends by itself, such as a broker that went away."""
    _LOG.warning("%s (%s)", error.str(), error.name())


def producer(settings: Settings, **overrides: Any) -> Producer:
    """A producer that retries without duplicates and partitions keys as Java clients do."""
    return Producer(
        {
            **options(settings),
            "enable.idempotence": True,
            "linger.ms": 5,
            "partitioner": "murmur2_random",
            "message.max.bytes": LARGEST_MESSAGE,
            **{name.replace("_", "."): value for name, value in overrides.items()},
        }
    )


def consumer(settings: Settings, **overrides: Any) -> Consumer:
    """A consumer to assign by hand: no group, nothing committed, told of the end of partitions.

    An offset that the log does not have is an error (see `check`), never a jump.
    """
    return Consumer(
        {
            **options(settings),
            "group.id": "headrace",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            # The embedded broker wakes no waiting fetch: the default of 500 would cost 250 ms.
            "fetch.wait.max.ms": 40,
            "fetch.message.max.bytes": 4 * 2**20,
            **{name.replace("_", "."): value for name, value in overrides.items()},
        }
    )


def begin(
    client: Consumer, settings: Settings, topic: str, starts: Mapping[int, int | None]
) -> None:
    """Assigns partitions of a topic, each from an offset, or from its beginning for None.

    Raises OffsetLost where the log has not got that offset and UnknownTopic.
    """
    places = []
    for partition, wanted in starts.items():
        low, high = watermarks(client, settings, topic, partition)
        start = low if wanted is None else wanted
        # The high watermark of the embedded broker may be stale, and reading past the end of its
        # log is silence, so the record before the offset has to show itself.
        if start < low or (start > high and not _has(settings, topic, partition, start - 1)):
            raise OffsetLost(
                f"{topic}/{partition} on {settings.brokers} has offsets {low} to {high}, not "
                f"{start}: {_LOST}"
            )
        # A number, as the logical OFFSET_BEGINNING takes librdkafka half a second to look up.
        places.append(TopicPartition(topic, partition, start))
    client.assign(places)


def watermarks(client: Consumer, settings: Settings, topic: str, partition: int) -> tuple[int, int]:
    """First offset and next offset; the latter may be stale on the embedded broker."""
    try:
        low, high = client.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=settings.wait_s, cached=False
        )
    except KafkaException as error:
        raise fault(error.args[0], settings, f"{topic}/{partition}") from error
    return low, high


def _has(settings: Settings, topic: str, partition: int, offset: int) -> bool:
    client = consumer(settings)
    try:
        client.assign([TopicPartition(topic, partition, offset)])
        message = client.poll(2.0)
        return message is not None and check(message, settings)
    except OffsetLost:
        return False
    finally:
        client.close()


def check(message: Message, settings: Settings) -> bool:
    """True for a record, False for the end of a partition; raises LogError for any fault."""
    error = message.error()
    if error is None:
        return True
    if error.code() == KafkaError._PARTITION_EOF:
        return False
    place = f"{message.topic()}/{message.partition()} at {message.offset()}"
    raise fault(error, settings, place)


def fault(error: KafkaError, settings: Settings, what: str) -> LogError:
    """The LogError that fits, to be raised."""
    where = f"{what} on {settings.brokers}: {error.str()} ({error.name()})"
    if error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:
        return OffsetLost(f"{where}; {_LOST}")
    if error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}:
        return UnknownTopic(f"{where}; create it with `headrace topics --create`")
    if error.code() in {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT}:
        return LogUnavailable(f"{where}; is it running? `headrace up`, or set HEADRACE_KAFKA")
    return LogError(where)


def wait_ready(settings: Settings, timeout: float | None = None) -> None:
    """Waits until a broker answers; raises LogUnavailable after `timeout` seconds."""
    timeout = settings.wait_s if timeout is None else timeout
    admin = AdminClient(options(settings))
    try:
        admin.list_topics(timeout=timeout)
    except KafkaException as error:
        raise LogUnavailable(
            f"no broker at {settings.brokers} answered in {timeout:g} s "
            f"({error.args[0].str()}); is it running? `headrace up`, or set HEADRACE_KAFKA"
        ) from error


def list_topics(settings: Settings) -> dict[str, int]:
    """Every topic's number of partitions."""
    wait_ready(settings)
    found = AdminClient(options(settings)).list_topics(timeout=settings.wait_s).topics
    return {name: len(topic.partitions) for name, topic in sorted(found.items())}


def partitions_of(settings: Settings, topic: str) -> int:
    """How many partitions a topic has; raises UnknownTopic."""
    found = list_topics(settings)
    if topic not in found:
        raise UnknownTopic(
            f"no topic {topic} on {settings.brokers}; create it with `headrace topics --create`"
        )
    return found[topic]


def read_topic(
    settings: Settings,
    topic: str,
    partitions: list[int] | None = None,
    start: Mapping[int, int] | None = None,
) -> Iterator[Message]:
    """Records of a topic up to its present end, each partition in order, partitions interleaved.

    `start` gives first offsets by partition; the beginning where it says nothing.
    """
    which = range(partitions_of(settings, topic)) if partitions is None else partitions
    first = start or {}
    client = consumer(settings)
    try:
        begin(client, settings, topic, {p: first.get(p) for p in which})
        yield from until_end(client, settings, topic, len(which))
    finally:
        client.close()


def until_end(client: Consumer, settings: Settings, topic: str, left: int) -> Iterator[Message]:
    """Records up to the end of the `left` partitions that a consumer has been assigned."""
    deadline = time.monotonic() + settings.wait_s
    while left:
        message = client.poll(0.1)
        if message is None:
            if time.monotonic() > deadline:
                raise LogUnavailable(
                    f"{topic} on {settings.brokers}: nothing came for {settings.wait_s:g} s"
                )
            continue
        deadline = time.monotonic() + settings.wait_s
        if check(message, settings):
            yield message
        else:
            left -= 1


def newest_by_key(settings: Settings, topic: str) -> dict[bytes, Message]:
    """The state that a compacted topic holds: the newest record of each key that has a value."""
    newest: dict[bytes, Message] = {}
    for message in read_topic(settings, topic):
        key = message.key() or b""
        newest.pop(key, None)
        if message.value() is not None:
            newest[key] = message
    return newest
