"""A learner reacts to the drift of its own loss, at the example that told the alarm's kind.

The learner's key watches its scores with the very `ArmWatch` with which flows/drift watches them
in the log: same scores, same seed, same alarms. So a reaction has its place in the order of the
examples, and a replay learns the same models, however far the other flow is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from online_models.drift.arms import ArmWatch
from online_models.drift.budget import Budget
from online_models.drift.packets import Answer
from online_models.learners.learner import Learner
from schemas.declare import Domain, React


class Reacted(NamedTuple):
    """What a learner did about a drift, and the event time (ms) of the example that made it."""

    reaction: str
    time: int


class Reacting:
    """The reactions that a domain declares for one learner; can be pickled with its watch."""

    def __init__(self, domain: Domain, learner: str, reactions: tuple[React, ...], seed: int):
        self._reactions = reactions
        self._watch = ArmWatch(domain.name, learner, Budget.of(domain), seed)
        self._known: set[tuple[str, str]] = set()

    @staticmethod
    def of(domain: Domain, learner: str, seed: int) -> Reacting | None:
        """None where nothing is declared for that learner."""
        mine = tuple(
            react
            for react in domain.drift.reactions
            if react.do != "explore" and (not react.learners or learner in react.learners)
        )
        return Reacting(domain, learner, mine, seed) if mine else None

    def after(
        self, learner: Learner, example: Mapping[str, Any], probability: float
    ) -> list[Reacted]:
        """What the learner was asked to do, and did, after it has learned from an example."""
        kinds = self._told(self._watch.take([Answer.of(example, probability)]))
        wanted = [react.do for react in self._reactions if kinds & set(react.to)]
        done = [do for do in dict.fromkeys(wanted) if learner.react(do)]
        return [Reacted(do, example["time"]) for do in done]

    def _told(self, alarms: Sequence[Mapping[str, Any]]) -> set[str]:
        """Kinds that open alarms have come to be, each once; a loss that falls needs no help."""
        found = {
            (alarm["id"], alarm["kind"])
            for alarm in alarms
            if alarm["state"] != "closed" and alarm["direction"] != "down"
        } - self._known
        self._known |= found
        return {kind for _, kind in found}
