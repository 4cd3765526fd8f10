"""What else runs while the endpoint is measured: events at a rate, and labels for its answers.

Both are sent by threads of the measuring process, which has nothing else to do meanwhile: the load
generator is a process of its own.
"""

from __future__ import annotations

import itertools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Self

import msgspec
import numpy as np
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from benchmarks.load import arrivals
from infra import kafka
from infra.decoding import Decoder
from infra.kafka import raw_of
from infra.producing import send
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from schemas import dataset
from schemas.avro import CORE
from schemas.dataset import Stamped
from schemas.declare import Domain

SENDING = {"linger_ms": 20, "topic_metadata_refresh_fast_interval_ms": 20}
"""Every batch is looked through by the embedded broker at each fetch: the fewer, the better."""
SENDING_LABELS = {**SENDING, "linger_ms": 200}
"""Nobody asks how soon these labels are learned: that is what the freshness benchmark is for."""


class TrafficError(RuntimeError):
    """Events or labels could not be sent; says why."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What flowed in while the endpoint was measured, per second."""

    events_per_s: float
    labels_per_s: float


class Traffic(ABC):
    """A thread that sends something at a rate while it is entered as a context."""

    def __init__(
        self,
        settings: Settings,
        domain: Domain,
        rate: float,
        seed: int,
        sending: Mapping[str, int] = SENDING,
    ) -> None:
        self.settings, self.domain = settings, domain
        self.sender = Sender(settings, domain, registry(settings), sending)
        self.count = 0
        self._began = self._ended = 0.0
        self._rate, self._seed = rate, seed
        self._fault: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._ended = self._ended or time.perf_counter()

    def stop(self) -> None:
        """Send no more; raises what went wrong, Undelivered if a record was lost."""
        self.__exit__()
        self._raise()
        self.sender.flush()

    def wait_for(self, seconds: float) -> None:
        """Let it flow for so long."""
        self._over.wait(seconds)
        self._raise()

    def rate(self) -> float:
        """Records a second so far."""
        return self.count / ((self._ended or time.perf_counter()) - self._began)

    @abstractmethod
    def items(self) -> Iterator[Stamped | None]:
        """What is sent, one at each moment of the schedule; None where there is nothing to send."""

    def moments(self) -> Iterator[float]:
        """When to send, seconds of `perf_counter`: a Poisson process, however late it came."""
        begins = time.perf_counter()
        for chunk in itertools.count():
            gaps = arrivals.poisson(self._rate, 1000, self._seed + chunk) / 1e9
            yield from (begins + gaps).tolist()
            begins += float(gaps[-1])

    def send(self, item: Stamped) -> None:
        """Send one record."""
        send(self.sender, self.domain, item)
        self.count += 1

    def _raise(self) -> None:
        if self._fault is not None:
            raise TrafficError(f"{self._thread.name}: {self._fault}") from self._fault

    def _run(self) -> None:
        try:
            for due, item in zip(self.moments(), self.items(), strict=False):
                if self._over.wait(max(0.0, due - time.perf_counter())):
                    return
                if item is not None:
                    self.send(item)
            raise TrafficError("the data set has no more events: lower the rate or the seconds")
        except Exception as fault:
            self._fault = fault
            self._over.set()


Also = Callable[[int, Stamped], Stamped | None]
"""Given the number of an event and the event: what to send after it."""


class Events(Traffic):
    """The data set's events in their order; `time` is the newest event time (ms) sent."""

    def __init__(
        self, settings: Settings, domain: Domain, rate: float, seed: int, also: Also | None = None
    ) -> None:
        super().__init__(settings, domain, rate, seed)
        self._also = also
        self._number = 0
        stream = dataset.load(domain.name).replay(seed=seed)
        events = (item for item in stream if item.stream == "events")
        first = next(events)  # reading the data set takes seconds
        self.time, self._events = first.time_ms, itertools.chain([first], events)

    def send_at_once(self, count: int) -> None:
        """The first `count` events as fast as it goes, so that entities are known; before entry."""
        for item in itertools.islice(self._events, count):
            send(self.sender, self.domain, item)
            self.time = item.time_ms
        self.sender.flush()

    def items(self) -> Iterator[Stamped | None]:
        """All events that are left."""
        return iter(self._events)

    def send(self, item: Stamped) -> None:
        """An event, and what `also` gives."""
        super().send(item)
        self.time = item.time_ms
        more = self._also(self._number, item) if self._also else None
        self._number += 1
        if more is not None:
            super().send(more)


class Labels(Traffic):
    """Labels for predictions that are logged from now on, one after the other, as far as they go.

    A label is drawn by the domain's base rate, a millisecond after the question.
    """

    def __init__(self, settings: Settings, domain: Domain, rate: float, seed: int) -> None:
        super().__init__(settings, domain, rate, seed, SENDING_LABELS)
        self._rng = np.random.default_rng([seed, 3])

    def items(self) -> Iterator[Stamped | None]:
        """A label where there is an answer that has none yet."""
        topic = self.domain.topic("predictions")
        decoder = Decoder({"prediction": CORE["prediction"]}, registry(self.settings), "labels")
        client = self._consumer(topic)
        try:
            while True:
                message = client.poll(0.0)
                if message is None or not kafka.check(message, self.settings):
                    yield None
                    continue
                for _, record, _ in decoder.batch(topic, 0, [raw_of(message)]).good:
                    yield self._label(record["id"], record["time"] + 1)
        finally:
            client.close()

    def _consumer(self, topic: str) -> Consumer:
        given = {
            "auto_offset_reset": "latest",
            "enable_partition_eof": False,
            "fetch_wait_max_ms": 200,  # as the flows that read predictions
        }
        client = kafka.consumer(self.settings, **given)
        partitions = range(kafka.partitions_of(self.settings, topic))
        client.assign([TopicPartition(topic, p, OFFSET_END) for p in partitions])
        return client

    def _label(self, name: str, at: int) -> Stamped:
        value = float(self._rng.random() < self.domain.prior)
        return Stamped(at, "labels", "label", {"id": name, "time": at, "value": value})
