"""What an answer earns once its label is known, as the domain declares it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from schemas.declare import Domain, LogScore

LEAST = 1e-6
"""Probabilities are kept so far from 0 and 1: a reward stays finite."""


class Reward(Protocol):
    """The reward of answers; more is better."""

    def stake(self, vector: Sequence[float]) -> float:
        """The number of the vector that the reward depends on beside answer and label."""

    def of(self, probability: float, label: float, stake: float) -> float:
        """The reward of an answer."""


class LogReward:
    """Minus the log loss, in nats."""

    def stake(self, vector: Sequence[float]) -> float:
        """Nothing is at stake but the answer."""
        return 0.0

    def of(self, probability: float, label: float, stake: float) -> float:
        """log p of what turned out to be true."""
        right = probability if label else 1.0 - probability
        return math.log(min(max(right, LEAST), 1.0 - LEAST))


class StoppingReward:
    """Money: the amount of a stopped positive, minus the cost of a stopped negative."""

    def __init__(self, column: int, cost: float, threshold: float) -> None:
        self._column = column
        self._cost = cost
        self._threshold = threshold

    def stake(self, vector: Sequence[float]) -> float:
        """The amount; 0 where it is unknown."""
        amount = vector[self._column]
        return 0.0 if math.isnan(amount) else amount

    def of(self, probability: float, label: float, stake: float) -> float:
        """Nothing for what is not stopped."""
        if probability < self._threshold:
            return 0.0
        return stake if label else -self._cost


def reward_of(domain: Domain) -> Reward:
    """The domain's declared reward."""
    declared = domain.routing.reward
    if isinstance(declared, LogScore):
        return LogReward()
    column = domain.vector_names.index(declared.amount)
    return StoppingReward(column, declared.cost, declared.threshold)
