"""Chooses the arm, and so the model, that answers a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from online_models.routes.route import Route
from schemas.declare import Domain
from serving.models import BASE_RATE, FALLBACK, Model


@dataclass(frozen=True, slots=True)
class Choice:
    """An arm with the model that stands for it, and the probability with which it was chosen."""

    arm: str
    model: Model
    propensity: float
    policy: str
    degraded: tuple[str, ...] = ()
    unit: str = ""


class Router(Protocol):
    """A routing policy."""

    def choose(self, request: Mapping[str, Any], models: Mapping[str, Model]) -> Choice:
        """The choice for one request among models by name; these always have the base rate."""


class FixedRouter:
    """Always the domain's served learner; the base rate, named as such, until it has a snapshot."""

    def __init__(self, domain: Domain) -> None:
        self._arm = domain.served
        self._policy = f"fixed:{domain.served}"

    def choose(self, request: Mapping[str, Any], models: Mapping[str, Model]) -> Choice:
        """The same for every request."""
        model = models.get(self._arm)
        if model is not None:
            return Choice(self._arm, model, 1.0, self._policy)
        return Choice(BASE_RATE, models[BASE_RATE], 1.0, self._policy, (FALLBACK,))


class RoutedRouter:
    """By the newest route; the declared arm alone while there is none, or none of its arms."""

    def __init__(self, domain: Domain, route: Callable[[], Route | None]) -> None:
        self._route = route
        self._fixed = FixedRouter(domain)

    def choose(self, request: Mapping[str, Any], models: Mapping[str, Model]) -> Choice:
        """By the request's sticky key and the time it asks about: alike on every server."""
        route = self._route()
        chosen = route.choose(request, request["at"], models) if route else None
        if chosen is None:
            return self._fixed.choose(request, models)
        arm, propensity, policy, unit = chosen
        return Choice(arm, models[arm], propensity, policy, unit=unit)
