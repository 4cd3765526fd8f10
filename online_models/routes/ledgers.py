"""What is kept of examples and of each arm's account while editions are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from online_models.routes.earned import Earned

PATIENCE = 10_000
"""Examples by which an arm may be behind before editions are made without it."""


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

    def earn(
        self, known: Known, gained: float, reward: float, weight: float, half_life: int
    ) -> None:
        """Adds what the arm has `gained` by an example in its contexts, and its whole reward."""
        for context in known.contexts:
            earned = self.earned.get(context, Earned())
            self.earned[context] = earned.add(gained, known.time, half_life, weight)
        self.rewards = self.rewards.add(reward, known.time, half_life, weight)


@dataclass(slots=True)
class Ledgers:
    """The accounts by arm, and what was captured of them; `tick` is that of the newest edition."""

    of: dict[str, Ledger] = field(default_factory=dict)
    captured: dict[str, Capture] = field(default_factory=dict)
    tick: int = -1

    def reach(self, arms: Iterable[str], known: Known, tick: int) -> None:
        """The arms come to an example; new ones get an account."""
        for arm in arms:
            self.of.setdefault(arm, Ledger()).reach(known, tick)

    def ticks(self, awaited: Iterable[str]) -> list[int]:
        """The ticks for new editions: those that every running arm has come to.

        `awaited` are arms that have to come, though they may have no account yet.
        """
        ledgers = [self.of.get(arm, Ledger()) for arm in {*self.of, *awaited}]
        front = max((one.number for one in ledgers), default=0)
        running = [one for one in ledgers if front - one.number <= PATIENCE]
        reached = min((-1 if one.tick is None else one.tick for one in running), default=-1)
        ticks = {capture.tick for one in running for capture in one.captures}
        return sorted(tick for tick in ticks if self.tick < tick <= reached)

    def capture(self, tick: int) -> None:
        """Keeps what the arms had earned when they came to the tick, for the edition of it."""
        self.tick = tick
        for arm, ledger in self.of.items():
            while ledger.captures and ledger.captures[0].tick <= tick:
                self.captured[arm] = ledger.captures.popleft()

    def posteriors(self, time: int, half_life: int) -> dict[str, dict[str, Earned]]:
        """What was captured, as it weighs at `time` (ms), by context and arm."""
        found: dict[str, dict[str, Earned]] = {}
        for arm in sorted(self.captured):
            for context, earned in sorted(self.captured[arm].earned.items()):
                found.setdefault(context, {})[arm] = earned.at(time, half_life)
        return found

    def rewards(self) -> dict[str, float]:
        """The mean reward that was captured of each arm."""
        return {arm: capture.reward for arm, capture in self.captured.items()}
