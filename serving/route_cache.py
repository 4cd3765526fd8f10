"""Follows the compacted `routes` topic: what was asked for, and what the arms have earned since."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from confluent_kafka import Message

from infra.registry import Registry
from infra.settings import Settings
from online_models.routes.policies import PolicyError
from online_models.routes.route import Route, route_of
from schemas.avro import Unreadable
from schemas.declare import Domain
from serving.follower import Follower

_log = logging.getLogger(__name__)


class RouteCache(Follower):
    """The route of this moment; None while the log knows of none."""

    def __init__(self, settings: Settings, domain: Domain, registry: Registry) -> None:
        super().__init__(settings, domain, registry, "routes", ("policy", "route"))
        self._records: dict[str, dict[str, Any]] = {}
        self.route: Route | None = None

    def _take(self, key: str, messages: deque[Message]) -> None:
        """Swaps in the newest record that can be used; the one before stays otherwise."""
        while messages:
            message = messages.pop()
            if message.value() is None:
                self._records.pop(key, None)
                self._swap(self._records)
                return
            try:
                name, record = self._decode(message.value())
                self._swap({**self._records, name: record})
                return
            except (Unreadable, PolicyError) as fault:
                _log.warning("%s at %d refused: %s", self._topic, message.offset(), fault)

    def _swap(self, records: dict[str, dict[str, Any]]) -> None:
        self.route = route_of(self._domain, records.get("route"), records.get("policy"))
        self._records = records
        if self.route:
            _log.info("route: %s", self.route.editions[-1].policy)
