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
from online_models.routes.specs import PolicySpec, spec_of
from schemas.avro import Unreadable
from schemas.declare import Domain
from serving.follower import Follower

_log = logging.getLogger(__name__)


class RouteCache(Follower):
    """The route of this moment; None while the log knows of none."""

    def __init__(self, settings: Settings, domain: Domain, registry: Registry) -> None:
        super().__init__(settings, domain, registry, "routes", ("policy", "route"))
        self._record: dict[str, Any] | None = None
        self._policies: dict[str, PolicySpec] = {}
        self.route: Route | None = None

    def _take(self, key: str, messages: deque[Message]) -> None:
        """Swaps in the newest record that can be used; the one before stays otherwise."""
        while messages:
            message = messages.pop()
            try:
                self._keep(key, message.value())
            except (Unreadable, PolicyError) as fault:
                _log.warning("%s at %d refused: %s", self._topic, message.offset(), fault)
                continue
            self.route = route_of(self._domain, self._record, self._policies.values())
            if self.route:
                _log.info("route: %s", self.route.editions[-1].policy)
            return

    def _keep(self, key: str, value: bytes | None) -> None:
        name, record = self._decode(value) if value is not None else ("", None)
        if name == "policy" and record:
            self._policies[key] = spec_of(self._domain, record)
        elif not self._policies.pop(key, None):
            self._record = record
