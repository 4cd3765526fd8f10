"""What is kept of examples and of each arm's account while editions are made."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from online_models.routes.earned import Earned


@dataclass(slots=True)
class Known:
    """An example and the arms' answers to it; `weight` stands for outcomes that stayed hidden."""

    number: int
    time: int
    asked: int
    label: float
    stake: float
    served: float
    weight: float
    contexts: tuple[str, ...]
    trial: bool
    answers: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Capture:
    """What an arm had earned when it came to a tick: by context, and its mean reward."""

    tick: int
    earned: dict[str, Earned]
    reward: float


@dataclass(slots=True)
class Ledger:
    """One arm's account; `number` and `tick` say how far it has come."""

    number: int = 0
    tick: int | None = None
    earned: dict[str, Earned] = field(default_factory=dict)
    rewards: Earned = field(default_factory=Earned)
    captures: deque[Capture] = field(default_factory=deque)

    def reach(self, known: Known, tick: int) -> None:
        """Comes to an example, and keeps the account as it was where a tick lies before it."""
        self.number = max(self.number, known.number)
        if self.tick is not None and tick > self.tick:
            self.captures.append(Capture(tick, dict(self.earned), self.rewards.mean))
        self.tick = tick if self.tick is None else max(tick, self.tick)
