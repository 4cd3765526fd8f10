"""Follows a run's examples and scores as they come, to show how well it does just now."""

from __future__ import annotations

import threading
from collections import Counter, deque

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Message, TopicPartition

from infra import kafka
from infra.decoding import Decoder
from infra.kafka import raw_of
from infra.registry import registry
from infra.settings import Settings
from online_models.evaluation import roc_auc
from schemas.avro import CORE
from schemas.declare import Domain

SERVED = "served"
"""The line of the answers that were given, beside those of the learners by their own names."""

WINDOW = 2_000
"""Newest examples that the shown AUC is of."""


class Follower:
    """Reads both topics in a thread of its own while it is entered as a context."""

    def __init__(self, settings: Settings, domain: Domain) -> None:
        self.seen: Counter[str] = Counter()
        """Records so far: of `served`, and of each learner by its name."""
        self.version = 0
        self._recent: dict[str, deque[tuple[float, float]]] = {}
        self._settings = settings
        self._topics = (domain.topic("examples"), domain.topic("scores"))
        schemas = {name: CORE[name] for name in ("example", "score")}
        self._decoder = Decoder(schemas, registry(settings), "demo")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self.fault: Exception | None = None

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def auc(self, who: str) -> float:
        """ROC AUC over the newest examples; NaN while they are few or of one class."""
        recent = np.array(self._recent.get(who, ()))
        if len(recent) < 50 or not 0 < recent[:, 0].sum() < len(recent):
            return np.nan
        return roc_auc(recent[:, 0], recent[:, 1])

    def complete(self, examples: int, learners: int) -> bool:
        """Whether so many examples have come, and a score of each from so many learners."""
        scored = [number for who, number in self.seen.items() if who != SERVED]
        every = len(scored) >= learners or not examples
        return every and min([self.seen[SERVED], *scored]) >= examples

    def _follow(self) -> None:
        client = kafka.consumer(self._settings, fetch_wait_max_ms=250)
        try:
            client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in self._topics])
            while not self._stop.is_set():
                messages = client.consume(500, 0.1)
                self._take([m for m in messages if kafka.check(m, self._settings)])
        except kafka.LogError as error:
            self.fault = error
        finally:
            client.close()

    def _take(self, messages: list[Message]) -> None:
        for topic in self._topics:
            raws = [raw_of(message) for message in messages if message.topic() == topic]
            for name, record, _ in self._decoder.batch(topic, 0, raws).good:
                who = SERVED if name == "example" else record["learner"]
                pair = (record["label"], record["probability"])
                self._recent.setdefault(who, deque(maxlen=WINDOW)).append(pair)
                self.seen[who] += 1
                self.version = record["version"] if who == SERVED else self.version
