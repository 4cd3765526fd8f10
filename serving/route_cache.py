"""Follows the topics `policies` and `routes`: what was asked for, and what arms have earned."""

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
        super().__init__(settings, domain, registry, {"policies": "policy", "routes": "route"})
        self._policies: dict[int, PolicySpec] = {}
        self._record: dict[str, Any] | None = None
        self.route: Route | None = None

    def _take(self, topic: str, key: str, messages: deque[Message]) -> None:
        if topic == self._domain.topic("policies"):
            self._add(messages)
        else:
            self._swap_in(messages)
        self.route = route_of(self._domain, self._record, self._policies.values())
        if self.route:
            _log.info("route: %s", self.route.editions[-1].policy)

    def _add(self, messages: deque[Message]) -> None:
        """Keeps the policies that the domain can have; the first of a version, as the flow does."""
        for message in messages:
            try:
                spec = spec_of(self._domain, self._decode(message))
            except (Unreadable, PolicyError) as fault:
                _refuse(message, fault)
            else:
                self._policies.setdefault(spec.version, spec)

    def _swap_in(self, messages: deque[Message]) -> None:
        """Takes the newest route that can be read; the one before stays otherwise."""
        while messages:
            message = messages.pop()
            try:
                self._record = None if message.value() is None else self._decode(message)
                return
            except Unreadable as fault:
                _refuse(message, fault)


def _refuse(message: Message, fault: Exception) -> None:
    _log.warning("%s at %d refused: %s", message.topic(), message.offset(), fault)
