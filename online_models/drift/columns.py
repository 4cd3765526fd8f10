"""The columns that are watched: those of the vector, the served score, the label, a loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.declare import Domain

CLIP = 1e-6
"""A probability nearer to 0 or 1 counts as so near: one answer may not outweigh a month."""


Test = Literal["psi", "ks", "rate", "lower"]
Scale = Literal["number", "category", "label"]

TESTS: Mapping[Scale, tuple[Test, ...]] = {
    "number": ("psi", "ks"), "category": ("psi",), "label": ("rate",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `what` an alarm says of it, its name, and whether it is a number.

    Numbers are tested by PSI and KS, categories by PSI, a label by its rate.
    """

    what: Literal["feature", "score", "label", "error"]
    name: str
    scale: Scale = "number"

    @property
    def tests(self) -> tuple[Test, ...]:
        """Names of the tests that fit."""
        return TESTS[self.scale]


def input_columns(domain: Domain) -> tuple[Column, ...]:
    """Every column of the vector, then the served score."""
    split = len(domain.vector_names) - len(domain.categories)
    return (
        *(Column("feature", name) for name in domain.vector_names[:split]),
        *(Column("feature", name, "category") for name in domain.vector_names[split:]),
        Column("score", "score"),
    )


def input_row(prediction: Mapping[str, Any]) -> list[float]:
    """The values of `input_columns` in a record of `prediction.avsc`."""
    return [*prediction["vector"], prediction["probability"]]


def label_columns() -> tuple[Column, ...]:
    """The label alone."""
    return (Column("label", "label", "label"),)


def error_columns(arm: str) -> tuple[Column, ...]:
    """The log loss of an arm."""
    return (Column("error", arm),)


def loss(label: float, probability: float) -> float:
    """The log loss of one answer in nats, its probability kept within [CLIP, 1 - CLIP]."""
    p = min(max(probability, CLIP), 1.0 - CLIP)
    return -math.log(p) if label else -math.log1p(-p)


def number_of_tests(columns: Sequence[Column]) -> int:
    """How many tests a window of these columns takes."""
    return sum(len(column.tests) for column in columns)
