"""Merges the states of disjoint sets of events of one entity: the state of their union.

No flow does; that it gives the same bytes is what exact sums promise
(docs/decisions/0002-exact-sums.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from online_models.features.layout import SUMMED, EntityLayout, Measure
from online_models.features.rings import EMPTY, SLOTS

F8 = NDArray[np.float64]

_SLOT = np.arange(SLOTS)


def merge(layout: EntityLayout, a: F8, b: F8) -> F8:
    """The row [width] of the union of two disjoint sets of events, from their rows [width]."""
    merged = layout.blank()
    rings, newest = len(layout.rings), len(layout.newest)
    merged[:rings] = np.maximum(a[:rings], b[:rings])
    times, values = slice(rings, rings + newest), slice(rings + newest, rings + 2 * newest)
    merged[times] = np.maximum(a[times], b[times])
    merged[values] = np.maximum(
        np.where(a[times] == merged[times], a[values], -np.inf),
        np.where(b[times] == merged[times], b[values], -np.inf),
    )
    for lane in layout.lanes:
        cells = slice(layout.lane(lane), layout.lane(lane) + SLOTS)
        head = layout.head(lane.ring)
        blank = merged[cells].copy()
        tiles = [
            np.where(_kept(row[head], merged[head]), row[cells], blank).astype("<f8")
            for row in (a, b)
        ]
        merged[cells] = _merged(lane.measure, *tiles)
    return merged


def _kept(head: np.float64, merged: np.float64) -> NDArray[np.bool_]:
    """Which slots of a ring with that head hold tiles that the merged ring still holds."""
    if head == EMPTY:
        return np.zeros(SLOTS, np.bool_)
    tiles = int(head) - ((int(head) - _SLOT) & (SLOTS - 1))
    kept: NDArray[np.bool_] = tiles > int(merged) - SLOTS
    return kept


def _merged(measure: Measure, a: F8, b: F8) -> F8:
    if measure in SUMMED:
        return a + b
    if measure is Measure.REGISTERS:
        return np.maximum(a.view(np.uint8), b.view(np.uint8)).view("<f8")
    return np.minimum(a, b) if measure is Measure.SMALLEST else np.maximum(a, b)
