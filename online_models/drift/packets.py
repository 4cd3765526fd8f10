"""Answers whose labels are known, and packets of them: by these the loss of an arm is watched.

Where a decision hides outcomes, an answer that was let through by lot stands for others: it weighs
as many (Horvitz and Thompson, 1952). A packet with such answers has the mean of all, but varies
more; by how much is its design effect (Kish, 1965).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from online_models.drift.columns import loss
from online_models.drift.reference import Slices, slices_of
from online_models.evaluation import weight_of


class Answer(NamedTuple):
    """An answer with its label, and how many outcomes it stands for; time in ms of event time."""

    time: int
    label: float
    probability: float
    slices: Slices
    weight: float = 1.0

    @staticmethod
    def of(record: Mapping[str, Any], probability: float) -> Answer:
        """What was answered to the question of an example or a score."""
        return Answer(
            record["time"], record["label"], probability, slices_of(record), weight_of(record)
        )


class Packet(NamedTuple):
    """So many answers: their first time, their mean loss, label, probability and weight of each.

    `effect` is how many times the mean varies as much as it would without weights.
    """

    start: int
    mean: float
    rows: list[tuple[float, float, float]]
    effect: float = 1.0

    @staticmethod
    def of(answers: Sequence[Answer]) -> Packet:
        """The packet of these."""
        rows = [(answer.label, answer.probability, answer.weight) for answer in answers]
        losses = np.array([loss(label, p) for label, p, _ in rows])
        weights = np.array([weight for *_, weight in rows])
        mean = float(np.average(losses, weights=weights))
        apart = weights * (losses - mean) ** 2
        effect = float((weights * apart).sum()) / max(1e-300, float(apart.sum()))
        return Packet(min(answer.time for answer in answers), mean, rows, max(1.0, effect))
