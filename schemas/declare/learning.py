"""Labels, learners, and when they publish."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Unlabelled(StrEnum):
    """What it means that no label came by the deadline."""

    DROP = "drop"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class Label:
    """How long after a prediction its label counts, and what silence means."""

    deadline: int
    missing: Unlabelled


@dataclass(frozen=True, slots=True)
class Provisional:
    """A label that an event gives before the true one comes; in Snorkel, a labelling function.

    An `event` whose number `value` is `at_least` or `at_most` so much gives the prediction
    named by its field `id` this `label`. It is learned at once with `weight`, in
    (0, 1), and the true label with the rest.
    """

    name: str
    event: str
    id: str
    value: str
    label: float
    weight: float
    at_least: float = -math.inf
    at_most: float = math.inf


ReactionName = Literal["raise_rate", "reset", "retrain", "explore"]
REACTIONS: Mapping[str, tuple[ReactionName, ...]] = {
    "base_rate": (),
    "logistic": ("raise_rate", "reset"),
    "hoeffding_tree": (),
    "adaptive_tree": ("reset",),
    "adaptive_forest": ("reset",),
    "boosting": ("raise_rate", "reset"),
    "challenger": ("reset", "retrain"),
    "stack": ("reset",),
}
"""The kinds of learners and what each can do about a drift; a stack's parts react by themselves."""

Columns = Literal["all", "static"]


@dataclass(frozen=True, slots=True)
class LearnerSpec:
    """A model that learns: `kind` is one of `REACTIONS`, `columns` what it sees."""

    name: str
    kind: str
    columns: Columns = "all"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publishing:
    """When a learner publishes a snapshot: after so many examples or so much event time."""

    examples: int
    time: int
