"""What the tests of the flows write to a log, and read from it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.workloads import visits_domain
from flows.reading import Reading
from infra import kafka, topics
from infra.decoding import Decoder
from infra.kafka import raw_of
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models.joining import JoinState
from online_models.provisional import Labelling
from online_models.training import Training
from schemas.avro import CORE
from schemas.declare import MINUTE, Domain, LearnerSpec, Publishing

START = 1_700_000_000_000
LEARNERS = (
    LearnerSpec("base-rate", "base_rate"),
    LearnerSpec("logistic", "logistic"),
    LearnerSpec("tree", "hoeffding_tree"),
)


def small_domain(name: str) -> Domain:
    """Visits with three learners."""
    publishing = Publishing(examples=100, time=30 * MINUTE)
    return dataclasses.replace(visits_domain(name), learners=LEARNERS, publishing=publishing)


@dataclass
class Log:
    """The domain's topics, to write to and to read decoded."""

    settings: Settings
    domain: Domain

    def __post_init__(self) -> None:
        topics.create_topics(self.settings, self.domain)
        self.registry = registry(self.settings)
        self.sender = Sender(self.settings, self.domain, self.registry)

    def write(self, stream: str, name: str, records: Iterable[Mapping[str, Any]], key: str) -> None:
        """Writes records; `key` names the field that is the Kafka key."""
        for record in records:
            self.sender.send(stream, name, record, record[key])
        self.sender.flush()

    def write_bytes(self, stream: str, values: Iterable[bytes | None], key: bytes | None) -> None:
        """Writes bytes as they are."""
        for value in values:
            self.sender.send_bytes(self.domain.topic(stream), key, value)
        self.sender.flush()

    def read(self, stream: str) -> list[dict[str, Any]]:
        """All records of a stream, partition by partition."""
        topic = self.domain.topic(stream)
        decoder = Decoder({**CORE, **self.domain.schemas}, self.registry, "test")
        messages = list(kafka.read_topic(self.settings, topic))
        partitions = sorted({message.partition() for message in messages})
        out: list[dict[str, Any]] = []
        for partition in partitions:
            raws = [raw_of(m) for m in messages if m.partition() == partition]
            good, dead = decoder.batch(topic, partition, raws)
            assert not dead
            out += [record for _, record, _ in good]
        return out

    def reading(self, flow: str = "test", **more: Any) -> Reading:
        """What a flow's sources are given."""
        return Reading(self.settings, self.domain, self.registry, flow, **more)


def prediction(domain: Domain, id_: str, time: int, draw: random.Random) -> dict[str, Any]:
    """A prediction with a drawn vector."""
    width = len(domain.vector_names)
    vector = [draw.gauss(0, 1) for _ in range(width - 1)] + [float(draw.randrange(16))]
    return {
        "id": id_,
        "time": time,
        "vector": vector,
        "probability": draw.random(),
        "model": "base-rate",
        "version": 0,
        "arm": "base-rate",
        "propensity": 1.0,
        "policy": "fixed@1",
        "degraded": [],
        "positions": [[]],
        "slices": {},
    }


@dataclass
class Asked:
    """Predictions, labels and visits of a domain, each in event-time order."""

    predictions: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    visits: list[dict[str, Any]] = field(default_factory=list)

    def examples(self, domain: Domain) -> list[dict[str, Any]]:
        """What a plain loop over the merged records joins, in order."""
        state = JoinState(domain.label)
        merged = [(p["time"], 0, p) for p in self.predictions]
        merged += [(label["time"], 1, label) for label in self.labels]
        merged += [(visit["time"], 2, visit) for visit in self.visits]
        labelling = Labelling(domain.provisional)
        out: list[dict[str, Any]] = []
        for _, kind, record in sorted(merged, key=lambda entry: entry[:2]):
            if kind < 2:
                out += state.label(record) if kind else state.prediction(record)
            elif label := labelling.of("visit", record):
                state.provisional(label)
        return out


def ask(domain: Domain, number: int, seed: int = 1) -> Asked:
    """A prediction a second; nine in ten get a label within 80 minutes, of them some too late."""
    draw = random.Random(seed)
    predictions = [
        prediction(domain, f"p{i}", START + i * 1_000 + draw.randrange(900), draw)
        for i in range(number)
    ]
    labels = [
        {
            "id": p["id"],
            "time": p["time"] + draw.randrange(1_000, 80 * MINUTE),
            "value": float(draw.random() < 1 / (1 + 2.7 ** -p["vector"][0])),
        }
        for p in predictions
        if draw.random() < 0.9
    ]
    return Asked(predictions, sorted(labels, key=lambda label: label["time"]))


def newest(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The newest record of each name."""
    return {record["name"]: record for record in records}


def taught(domain: Domain, seed: int, examples: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The newest snapshot of every learner after a bare loop, example by example."""
    out = {}
    for spec in domain.learners:
        training = Training(domain, spec, seed)
        for example in examples:
            snapshot = training.take([example]).snapshot
            out.update({spec.name: snapshot} if snapshot else {})
    return out
