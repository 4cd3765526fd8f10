"""A route as a server reads it: which arm answers a request, and with what probability.

Several servers that have read the same records choose alike, and nothing is remembered between
requests: a key's draw is a hash, and the shares it is drawn by are those that held when the key's
sticky time began. So neither a new edition nor a restart makes a key flicker.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple

from online_models.routes.earned import Earned
from online_models.routes.policies import Distribution, choose, lot
from online_models.routes.specs import ANY, PolicySpec, Posteriors, shares
from schemas.declare import Domain, Routing


class Edition(NamedTuple):
    """Shares by context that hold from `since` (ms) on; `policy` is how predictions name them."""

    since: int
    policy: str
    shares: Mapping[str, Distribution]

    @property
    def by(self) -> str:
        """The slice that its contexts are of; empty where it looks at none."""
        return next((context.partition("=")[0] for context in self.shares if context), "")

    def without(self, arms: Container[str], instead: str) -> Edition:
        """Its shares without those arms: to the others in proportion, to `instead` without any."""
        return self._replace(
            shares={
                context: _left(found, arms) or {instead: 1.0}
                for context, found in self.shares.items()
            }
        )


def _left(found: Distribution, arms: Container[str]) -> Distribution:
    left = {arm: p for arm, p in found.items() if p > 0 and arm not in arms}
    whole = sum(left.values())
    return {arm: p / whole for arm, p in left.items()}


class Chosen(NamedTuple):
    """An arm, the probability with which it was chosen, by which policy and for which unit.

    Choices of one unit are one draw, whoever makes them.
    """

    arm: str
    propensity: float
    policy: str
    unit: str


@dataclass(frozen=True)
class Route:
    """The editions that may still decide, oldest first, and how keys stick to them."""

    editions: Sequence[Edition]
    sticky: tuple[str, ...] = ()
    sticky_for: int = 1

    @cached_property
    def _starts(self) -> list[int]:
        return [edition.since for edition in self.editions]

    @cached_property
    def _bys(self) -> list[str]:
        return [edition.by for edition in self.editions]

    def choose(
        self, request: Mapping[str, Any], at: int, available: Container[str]
    ) -> Chosen | None:
        """The choice for a request asked at `at` (ms); None where no arm with a share is available.

        The shares of arms that are not available go to the others, in proportion.
        """
        unit, start = self._unit(request, at)
        number = self._number(start)
        edition, by = self.editions[number], self._bys[number]
        found = edition.shares.get(f"{by}={request.get(by)}") if by else None
        found = edition.shares[ANY] if found is None else found
        left = {arm: p for arm, p in found.items() if p > 0 and arm in available}
        if not left:
            return None
        arm, propensity = choose(left, unit)
        return Chosen(arm, propensity, edition.policy, unit)

    def _unit(self, request: Mapping[str, Any], at: int) -> tuple[str, int | None]:
        """The unit of a request, and when its sticky time began; it is alone without a key.

        Keys begin at moments of their own, so that a new edition reaches them little by little.
        """
        if not self.sticky:
            return _hash(request["id"]), None
        key = "|".join(str(request.get(name)) for name in self.sticky)
        shift = int(lot(key, "sticky") * self.sticky_for)
        epoch, passed = divmod(at + shift, self.sticky_for)
        return _hash(f"{key}|{epoch}"), at - passed

    def _number(self, start: int | None) -> int:
        """The edition that held then; the newest where nothing sticks."""
        if start is None:
            return len(self.editions) - 1
        return max(bisect_right(self._starts, start) - 1, 0)


def _hash(key: str) -> str:
    return blake2b(key.encode(), digest_size=8).hexdigest()


def posteriors_of(route: Mapping[str, Any]) -> dict[str, dict[str, Earned]]:
    """What the arms have earned, by context and arm, from a record of `route.avsc`."""
    found: dict[str, dict[str, Earned]] = {}
    for each in route["posteriors"]:
        found.setdefault(each["context"], {})[each["arm"]] = Earned.of(each)
    return found


def route_of(
    domain: Domain, route: Mapping[str, Any] | None, policies: Iterable[PolicySpec]
) -> Route | None:
    """What the topic of routes says: the newest route, and the policies that were asked for.

    Those that the flow has not begun yet hold all the same, by what the arms had earned. None where
    there is nothing.
    """
    editions = editions_of(route) if route else []
    earned = posteriors_of(route) if route else {}
    version = route["version"] if route else 0
    for spec in sorted(policies, key=lambda spec: spec.version):
        if spec.version > version:
            editions = begun(editions, spec, earned)
    return Route(editions, domain.routing.sticky, domain.routing.sticky_for) if editions else None


def editions_of(route: Mapping[str, Any]) -> list[Edition]:
    """The editions of a record of `route.avsc`."""
    return [Edition(each["since"], each["policy"], each["shares"]) for each in route["editions"]]


def begun(editions: Sequence[Edition], spec: PolicySpec, earned: Posteriors) -> list[Edition]:
    """The editions with the first one of a policy, which takes the place of later ones.

    The oldest edition decides for all that began before it, so it stays in any case.
    """
    before = [each for each in editions if each.since < spec.since]
    before = before or [each._replace(since=spec.since) for each in editions[:1]]
    return [*before, Edition(spec.since, spec.logged, shares(spec, earned))]


def deciding(editions: Sequence[Edition], routing: Routing) -> list[Edition]:
    """Those by which a unit may still be decided when the newest begins."""
    oldest = editions[-1].since - routing.sticky_for - routing.every
    passed = sum(each.since <= oldest for each in editions[1:])
    return list(editions[passed:])
