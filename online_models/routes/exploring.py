"""Exploration that widens while the answers that were served do worse than they did.

As a learner watches its own scores (`online_models.drift.reacting`), so routing watches the loss
of what it served: on the examples, in their order, so that a replay routes the same way. With the
seed of flows/drift its alarms are those that flow shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from online_models.drift.arms import ArmWatch
from online_models.drift.budget import SERVED, Budget
from online_models.drift.packets import Answer
from online_models.routes.specs import OPTIONS, PolicySpec
from schemas.declare import Domain

WIDE = 0.25
"""Share of the answers that any arm may give, by lot, while an alarm is open."""

_SHARES = ("epsilon", "explore")
"""The options by which a policy explores; one that has neither is left as it is."""


class Exploring:
    """Knows whether exploration is wide; can be pickled."""

    def __init__(self, domain: Domain, kinds: frozenset[str], seed: int) -> None:
        self._kinds = kinds
        self._watch = ArmWatch(domain.name, SERVED, Budget.of(domain), seed)
        self._open: set[str] = set()

    @staticmethod
    def of(domain: Domain, seed: int) -> Exploring | None:
        """None where the domain declares no such reaction."""
        kinds = [kind for r in domain.drift.reactions if r.do == "explore" for kind in r.to]
        return Exploring(domain, frozenset(kinds), seed) if kinds else None

    @property
    def wide(self) -> bool:
        """Whether an alarm of a declared kind is open."""
        return bool(self._open)

    def take(self, example: Mapping[str, Any]) -> None:
        """Watches the loss of the answer that was served; one that falls needs no exploring."""
        for alarm in self._watch.take([Answer.of(example, example["probability"])]):
            if alarm["state"] == "closed":
                self._open.discard(alarm["id"])
            elif alarm["kind"] in self._kinds and alarm["direction"] != "down":
                self._open.add(alarm["id"])

    def widened(self, spec: PolicySpec) -> PolicySpec:
        """The policy that holds: as it was asked for, or exploring more."""
        more = {n: max(WIDE, spec.option(n)) for n in _SHARES if n in OPTIONS[spec.name]}
        return replace(spec, options={**spec.options, **more}) if self.wide else spec
