"""Figures that were measured in turns: how far apart they lie, and whether they reach a goal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

ENOUGH = 3
"""With fewer turns little is known of their spread."""


def spread(values: Sequence[float]) -> str:
    """The median with the least and the most; empty without values."""
    if len(values) < 2:
        return "".join(f"{value:.2f}" for value in values)
    return f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


@dataclass(frozen=True)
class Goal:
    """What a figure is to be at least, or at most, and what each turn gave.

    It is missed where the median is, and so is every one of at least `enough` turns.
    """

    name: str
    limit: float
    found: Sequence[float]
    at_most: bool = False
    enough: int = ENOUGH

    @property
    def bound(self) -> str:
        """As text."""
        return f"{'≤' if self.at_most else '≥'} {self.limit:g}"

    @property
    def verdict(self) -> str:
        """met, not met, or why neither can be said."""
        if not self.found:
            return "not measured"
        if self._reached(float(np.median(self.found))):
            return "met"
        if len(self.found) < self.enough:
            return "too few turns"
        return "within the spread" if any(map(self._reached, self.found)) else "not met"

    def _reached(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{self.bound}: {self.verdict}"


def misses(goals: Iterable[Goal]) -> list[str]:
    """Every goal that is not met, with what was found."""
    return [
        f"{goal.name}: {spread(goal.found)}, goal {goal.bound}"
        for goal in goals
        if goal.verdict == "not met"
    ]
