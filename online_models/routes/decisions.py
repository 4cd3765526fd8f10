"""What a domain does with an answer, where that decides whether the truth comes to light."""

from __future__ import annotations

from typing import NamedTuple

from online_models.routes.policies import lot
from schemas.declare import Domain, Stopping


class Decision(NamedTuple):
    """Whether to stop, None where the domain stops nothing; with what probability it is `seen`."""

    stop: bool | None
    seen: float


UNDECIDED = Decision(None, 1.0)
PASS = Decision(False, 1.0)
STOP = Decision(True, 0.0)


class Decider:
    """Stops what is probable enough, but for a share that passes by lot so that it can be seen.

    What passes by lot stands for all that might have: its outcome weighs 1 / `seen`.
    """

    def __init__(self, domain: Domain) -> None:
        reward = domain.routing.reward
        self._declared = reward if isinstance(reward, Stopping) else None

    def decide(self, id_: str, probability: float) -> Decision:
        """The decision on the request of that id; the same wherever it is made."""
        declared = self._declared
        if declared is None:
            return UNDECIDED
        if probability < declared.threshold:
            return PASS
        if lot(id_, "let through") < declared.let_through:
            return Decision(False, declared.let_through)
        return STOP
