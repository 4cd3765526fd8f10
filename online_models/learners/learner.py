"""What a learner is: a model that scores one vector, learns from one example, and can be exported.

A learner sees the domain's whole vector (`Domain.vector_names`: columns, features, then a bucket
number a category; NaN where unknown) and decides itself what of it to use.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, Protocol, TypeVar, runtime_checkable

Seen = TypeVar("Seen")


class Reaction(StrEnum):
    """What a learner can be asked to do about a drift."""

    RAISE_RATE = "raise_rate"
    """Follow the newest examples faster, for as long as the rate takes to fall again."""
    RESET = "reset"
    """Forget what was learned; `examples` goes on counting."""
    RETRAIN = "retrain"
    """Train again now from the examples that are kept."""


class Learner(Protocol):
    """A model of the probability of the domain's positive class; its whole state can be pickled.

    `examples` counts what it has learned from, and is the version of its snapshots. Before the
    first example it predicts the domain's prior.
    """

    name: str
    examples: int

    def predict(self, vector: Sequence[float]) -> float:
        """The probability in [0, 1]; changes nothing. Raises ValueError on a wrong length."""
        ...

    def learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> None:
        """Learns from one example; weight 0 changes nothing, not even `examples`.

        Raises ValueError for a label other than 0 and 1, or a weight that is negative or infinite.
        """
        ...

    def score_then_learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> float:
        """`predict`, then `learn`, for less than the price of both; gives what `predict` gave."""
        ...

    def export(self) -> bytes:
        """An ONNX ModelProto: `vector` double [n, width] to `probability` double [n].

        The same state gives the same bytes.
        """
        ...

    def react(self, reaction: str) -> bool:
        """Does what a `Reaction` asks, between two examples; whether it is one for this learner.

        Deterministic: the same examples and reactions in the same order give the same learner.
        Raises ValueError for a word that is no Reaction.
        """
        ...


@runtime_checkable
class InBatches(Protocol):
    """A learner that learns many examples in a row for less than one by one."""

    def score_then_learn_many(
        self, vectors: Sequence[Sequence[float]], labels: Sequence[float], weights: Sequence[float]
    ) -> list[float]:
        """`score_then_learn` of each in turn, to the bit, however they are cut into batches."""
        ...


class EncodedLearner(ABC, Generic[Seen]):
    """A learner that turns the vector into what it sees once, then scores that and learns it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.examples = 0

    @abstractmethod
    def _see(self, vector: Sequence[float]) -> Seen:
        """What the model makes of a vector; changes nothing."""

    @abstractmethod
    def _score(self, seen: Seen) -> float:
        """The probability; changes nothing."""

    @abstractmethod
    def _update(self, seen: Seen, positive: bool, weight: float) -> None:
        """Learns from one example of positive weight."""

    def predict(self, vector: Sequence[float]) -> float:
        """See `Learner.predict`."""
        return self._score(self._see(vector))

    def learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> None:
        """See `Learner.learn`."""
        self._learn(self._see(vector), label, weight)

    def score_then_learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> float:
        """See `Learner.score_then_learn`."""
        seen = self._see(vector)
        probability = self._score(seen)
        self._learn(seen, label, weight)
        return probability

    def score_then_learn_many(
        self, vectors: Sequence[Sequence[float]], labels: Sequence[float], weights: Sequence[float]
    ) -> list[float]:
        """See `InBatches`; one by one, where a kind has nothing better."""
        return [
            self.score_then_learn(vector, label, weight)
            for vector, label, weight in zip(vectors, labels, weights, strict=True)
        ]

    def react(self, reaction: str) -> bool:
        """See `Learner.react`; which reactions a kind knows stands in its `_react`."""
        return self._react(Reaction(reaction))

    def _react(self, reaction: Reaction) -> bool:
        """Does it, or gives False and changes nothing."""
        return False

    def _learn(self, seen: Seen, label: float, weight: float) -> None:
        self._check(label, weight)
        if weight:
            self._update(seen, bool(label), weight)
            self.examples += 1

    def _check(self, label: float, weight: float) -> None:
        if label not in (0, 1):
            raise ValueError(f"learner {self.name!r}: label {label!r}; expected 0 or 1")
        if not 0 <= weight < math.inf:
            raise ValueError(f"learner {self.name!r}: weight {weight!r}; expected 0 or more")
