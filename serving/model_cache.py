"""Follows the compacted `models` topic and keeps the newest fit snapshot of every learner.

The follower's thread checks and warms it. A snapshot that is refused leaves the one before it in
place.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from confluent_kafka import Message

from infra import metrics
from infra.registry import Registry
from infra.settings import Settings
from schemas.avro import Unreadable
from schemas.declare import Domain
from serving.follower import Follower
from serving.models import Model, SnapshotRefused, base_rate, load

_log = logging.getLogger(__name__)


class ModelCache(Follower):
    """The models that can answer, by name; the built-in base rate is always among them."""

    def __init__(self, settings: Settings, domain: Domain, registry: Registry) -> None:
        super().__init__(settings, domain, registry, {"models": "model"})
        self.base = base_rate(domain)
        self._models: Mapping[str, Model] = MappingProxyType({self.base.name: self.base})

    @property
    def models(self) -> Mapping[str, Model]:
        """The models of this moment; a swap makes a new mapping and leaves this one as it is."""
        return self._models

    def documents(self) -> list[dict[str, Any]]:
        """What `/models` says, by name."""
        return [self._models[name].document() for name in sorted(self._models)]

    def _take(self, topic: str, key: str, messages: deque[Message]) -> None:
        """Builds the newest snapshot of a learner that is fit, only now at the topic's end."""
        while messages:
            message = messages.pop()
            if message.value() is None:
                self._remove(key)
                return
            try:
                self._swap_in(self._build(key, message))
                return
            except (SnapshotRefused, Unreadable) as fault:
                place = f"{topic} at {message.offset()}"
                _log.warning("snapshot of %s refused (%s): %s", key, place, fault)
                metrics.SNAPSHOTS_REFUSED.labels(fault.reason).inc()

    def _build(self, name: str, message: Message) -> Model:
        model = load(self._decode(message), self._domain)
        if model.name != name:
            raise SnapshotRefused("key", f"it names {model.name!r}")
        return model

    def _swap_in(self, model: Model) -> None:
        self._models = MappingProxyType({**self._models, model.name: model})
        metrics.MODEL_SWAPS.labels(model.name).inc()
        metrics.MODEL_VERSION.labels(model.name).set(model.version)
        metrics.SNAPSHOT_TIME.labels(model.name).set((model.time or 0) / 1_000)
        _log.info("model %s@%d serves", model.name, model.version)

    def _remove(self, name: str) -> None:
        left = {key: model for key, model in self._models.items() if key != name}
        self._models = MappingProxyType({self.base.name: self.base, **left})
        _log.info("model %s was withdrawn", name)
