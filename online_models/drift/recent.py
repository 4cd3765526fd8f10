"""Where a change is largest: the newest records by slice, beside those of the reference.

Only describes what a test has found; it tests nothing and costs no part of the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from online_models.drift.cells import Cells, counted
from online_models.drift.findings import Finding
from online_models.drift.reference import Slices
from online_models.drift.statistics import psi

HELD = 2_000
"""Records held of the stream, and of the reference."""
FEWEST = 50
"""Of a slice, in each."""
SURE = 3.0
"""Without these the smallest slice would seem to move most, whatever moved."""

Rows = list[tuple[NDArray[np.uint8], Slices]]


class Recent:
    """The newest HELD records, and as many of the reference."""

    def __init__(self, cells: Cells, codes: NDArray[np.uint8], slices: Sequence[Slices]) -> None:
        self._cells = cells
        step = max(1, len(codes) // HELD)
        self._reference: Rows = list(zip(codes[::step], slices[::step], strict=True))
        self._newest: Rows = []

    def add(self, codes: NDArray[np.uint8], slices: Sequence[Slices]) -> None:
        """Takes records in; the oldest go."""
        self._newest += zip(codes[-HELD:], slices[-HELD:], strict=True)
        del self._newest[: max(0, len(self._newest) - HELD)]

    def placed(self, finding: Finding, size: int) -> Finding:
        """The finding with the slice, `name=value`, whose last block moved most; empty where
        none has beyond chance."""
        names = [f"{column.what}:{column.name}" for column in self._cells.columns]
        column = names.index(finding.key)
        reference = _by_slice(self._reference)
        newest = _by_slice(self._newest[-max(size, HELD // 2) :])
        moved = {
            name: float(self._beyond(newest[name], rows)[column])
            for name, rows in reference.items()
            if len(rows) >= FEWEST and len(newest.get(name, ())) >= FEWEST
        }
        most = max(sorted(moved), key=moved.__getitem__, default="")
        return replace(finding, slice=most if most and moved[most] > 0 else "")

    def _beyond(
        self, one: list[NDArray[np.uint8]], other: list[NDArray[np.uint8]]
    ) -> NDArray[np.float64]:
        """PSI of each column less what chance makes of so few: SURE deviations above its mean."""
        window, reference = (self._cells.grouped(counted(np.stack(rows))) for rows in (one, other))
        freedom = np.maximum(1, (window + reference > 0).sum(-1) - 1)
        chance = (freedom + SURE * np.sqrt(2 * freedom)) * (1 / len(one) + 1 / len(other))
        return np.asarray(psi(window, reference) - chance)


def _by_slice(rows: Rows) -> dict[str, list[NDArray[np.uint8]]]:
    out: dict[str, list[NDArray[np.uint8]]] = {}
    for codes, slices in rows:
        for name, value in slices:
            out.setdefault(f"{name}={value}", []).append(codes)
    return out
