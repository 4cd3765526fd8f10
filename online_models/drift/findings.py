"""What a test that exceeded its threshold has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.declare import DriftKind

Kind = DriftKind
Direction = Literal["up", "down", "shape"]

KINDS: dict[str, Kind] = {
    "feature": "covariate",
    "score": "covariate",
    "label": "label",
    "error": "concept",
}
"""The kind that a finding stands for by itself; that of an error depends on what else changed."""


@dataclass(frozen=True)
class Finding:
    """One column in one window beyond its threshold at event time `time` (ms).

    `since` is when the change began, as far as the test can tell. `p` is the chance of the
    statistic without a change; None for tests that have a threshold only. `bins`, `reference` and
    `recent` are the two histograms, as shares. `slice` is where the column changed most.
    """

    what: str
    name: str
    kind: Kind
    test: str
    window: str
    time: int
    since: int
    statistic: float
    threshold: float
    p: float | None
    direction: Direction
    bins: list[str]
    reference: list[float]
    recent: list[float]
    slice: str = ""

    @property
    def key(self) -> str:
        """What the alarm is about."""
        return f"{self.what}:{self.name}"

    @property
    def strength(self) -> float:
        """How many times the threshold."""
        return self.statistic / self.threshold
