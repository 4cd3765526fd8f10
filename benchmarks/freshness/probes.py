"""Event sent → value servable: probes among the events, and a look-out for them in Redis.

A probe is an event of an entity that nobody has heard of, with a value of its own. It is servable
once the entity's state in Redis, finalised by the function that the endpoint uses, gives exactly
that value.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

import numpy as np

from benchmarks.freshness.delays import Delay, FreshnessError, delay, gap_p99, wait
from infra.feature_store import FeatureStore
from infra.settings import Settings
from online_models.features.blobs import read_blob
from online_models.features.finalise import features_at
from online_models.features.layout import layouts_of
from schemas.dataset import Stamped
from schemas.declare import Domain, Kind

_POLL_S = 0.003
"""Seconds between two looks: fewer tell less, more take from the processor that is measured."""


class Marker(NamedTuple):
    """A feature that gives back the newest event's value, for an entity of one text key."""

    entity: str
    key: str
    event: str
    value: str
    feature: int


def marker_of(domain: Domain) -> Marker:
    """The first such feature of the domain; raises FreshnessError where it declares none."""
    for entity in domain.entities:
        for number, feature in enumerate(entity.features):
            if feature.kind is Kind.LAST and feature.value and len(entity.key) == 1:
                marker = Marker(entity.name, entity.key[0], feature.event, feature.value, number)
                if _is_text(domain.schemas[marker.event], marker.key):
                    return marker
    raise FreshnessError(f"{domain.name}: no entity of one text key has a `last` feature")


def _is_text(schema: Any, name: str) -> bool:
    types = [field["type"] for field in schema["fields"] if field["name"] == name]
    return any(kind == "string" or "string" in kind for kind in types)


class Sent(NamedTuple):
    """A probe: when it was sent (s), its value, its event time (ms)."""

    moment: float
    value: float
    at: int


class Probes:
    """Makes a probe of every `every`-th event, and looks in Redis until each gives its value."""

    def __init__(self, settings: Settings, domain: Domain, every: int) -> None:
        self.sent: dict[str, Sent] = {}
        self._marker = marker_of(domain)
        self._layout = layouts_of(domain)[self._marker.entity]
        self._store = FeatureStore(settings, domain)
        self._every = every
        self._template: Stamped | None = None
        self._tag = f"probe-{time.time_ns():x}"
        self._seen: dict[str, float] = {}
        self._awaited: dict[str, None] = {}
        self._looks: list[float] = []
        self._over, self._making = threading.Event(), threading.Event()
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)

    def __enter__(self) -> Probes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._store.close()

    def begin(self) -> None:
        """From now on probes are made."""
        self._making.set()

    def make(self, number: int, event: Stamped) -> Stamped | None:
        """The probe to send after this event, as `traffic.Also`."""
        if event.name == self._marker.event:
            self._template = event
        template = self._template
        if template is None or number % self._every or not self._making.is_set():
            return None
        key, value = f"{self._tag}-{number}", float(number % 100_000)
        record = {**template.record, self._marker.key: key, self._marker.value: value}
        self.sent[key] = Sent(time.perf_counter(), value, template.time_ms)
        self._awaited[key] = None
        return template._replace(record=record)

    def finish(self) -> Delay:
        """The delays of all probes so far, and no more are made.

        Raises FreshnessError where one did not come in time.
        """
        self._making.clear()
        wait(lambda: len(self._seen) == len(self.sent) or self._fault is not None)
        if self._fault is not None:
            raise FreshnessError(f"probes: {self._fault}") from self._fault
        if len(self._seen) < len(self.sent):
            missing = len(self.sent) - len(self._seen)
            raise FreshnessError(f"{missing} of {len(self.sent)} probes never became servable")
        began = np.array([self.sent[key].moment for key in self._seen])
        return delay(began, np.array(list(self._seen.values())))

    def resolution(self) -> float:
        """p99 of the time between two looks, ms."""
        return gap_p99(self._looks)

    def _run(self) -> None:
        try:
            while not self._over.wait(_POLL_S):
                self._look(list(self._awaited))
        except Exception as fault:
            self._fault = fault

    def _look(self, keys: list[str]) -> None:
        if not keys:
            return
        found = self._store.read([(self._marker.entity, key) for key in keys])
        now = time.perf_counter()
        self._looks.append(now)
        for key, blob in zip(keys, found, strict=True):
            if blob is not None:
                self._check(key, blob)
                self._seen[key] = now
                del self._awaited[key]

    def _check(self, key: str, blob: bytes) -> None:
        sent = self.sent[key]
        row = read_blob(self._layout, blob)[0]
        features = features_at(self._layout, row[None], np.array([sent.at]))
        if features[0, self._marker.feature] != sent.value:
            raise FreshnessError(f"{key} gives {features[0]}, was sent with {sent.value}")
