"""What stands in the log, for a person or a report: topics, records, models, dead letters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import TopicPartition

from infra import kafka
from infra.decoding import Decoder
from infra.kafka import raw_of
from infra.registry import registry
from infra.settings import Settings
from infra.topics import COMPACTED, SCHEMAS, STREAMS
from schemas.avro import CORE
from schemas.declare import Domain

ABOUT: Mapping[str, str] = {
    "events": "what happened, as the domain's event records",
    "requests": "questions to be answered from the stream",
    "predictions": "answers that were given, with vector, model and version",
    "labels": "what turned out to be true",
    "policies": "routing policies as they were asked for",
    "examples": "predictions joined with their labels",
    "scores": "every learner's probability for an example before it learned from it",
    "models": "snapshots of the learners; the newest of each learner is its state",
    "cards": "what is known of every snapshot, kept when a newer one takes its place",
    "samples": "samples of the examples; the newest record of each key is their state",
    "routes": "what arms have earned, and the shares that follow",
    "drift": "drift alarms as they opened, were updated and closed",
    "dead-letters": "records that could not be used, with reason and original bytes",
}
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it stands on the broker; `partitions` is 0 where it does not exist."""

    name: str
    kind: str
    partitions: int
    records: int
    about: str


def topics(settings: Settings, domain: Domain) -> list[Topic]:
    """The domain's topics and the one of the schemas, with their numbers of records."""
    existing = kafka.list_topics(settings)
    wanted = {domain.topic(stream): (stream, ABOUT[stream]) for stream in STREAMS}
    if not settings.registry:
        wanted[SCHEMAS] = ("schemas", "schemas by id, where there is no Schema Registry")
    return [
        Topic(
            name,
            "compacted" if stream in COMPACTED or stream == "schemas" else "stream",
            existing.get(name, 0),
            records(settings, name, existing[name]) if name in existing else 0,
            about,
        )
        for name, (stream, about) in wanted.items()
    ]


def records(settings: Settings, topic: str, partitions: int) -> int:
    """How many records a topic holds (compacted ones: has held since its first)."""
    return sum(end - begin for begin, end in spans(settings, topic, range(partitions)).values())


def spans(settings: Settings, topic: str, partitions: Sequence[int]) -> dict[int, tuple[int, int]]:
    """First and next offset by partition: the watermark, corrected by what is read after it."""
    client = kafka.consumer(settings)
    try:
        found = {p: kafka.watermarks(client, settings, topic, p) for p in partitions}
        client.assign([TopicPartition(topic, p, end) for p, (_, end) in found.items()])
        for message in kafka.until_end(client, settings, topic, len(partitions)):
            begin, _ = found[message.partition()]
            found[message.partition()] = (begin, message.offset() + 1)
        return found
    finally:
        client.close()


def read(settings: Settings, domain: Domain, stream: str) -> Iterator[dict[str, Any]]:
    """A stream's records from its beginning to its present end; unreadable ones are left out."""
    topic = domain.topic(stream)
    decoder = Decoder({**CORE, **domain.schemas}, registry(settings), "inspection")
    batch = []
    for message in kafka.read_topic(settings, topic):
        batch.append(raw_of(message))
        if len(batch) == _BATCH:
            yield from (record for _, record, _ in decoder.batch(topic, 0, batch).good)
            batch.clear()
    yield from (record for _, record, _ in decoder.batch(topic, 0, batch).good)


def models(settings: Settings, domain: Domain) -> list[dict[str, Any]]:
    """The newest snapshot of each learner."""
    newest = {record["name"]: record for record in read(settings, domain, "models")}
    return [newest[name] for name in sorted(newest)]


def dead_letters(settings: Settings, domain: Domain, last: int) -> list[dict[str, Any]]:
    """The newest dead letters, oldest of them first."""
    return list(deque(read(settings, domain, "dead-letters"), maxlen=last))
