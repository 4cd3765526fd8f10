"""From tiles to features: the one function that finalises, for endpoint, flows and replay."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from online_models.features.groups import Node, grouped, places_of
from online_models.features.kinds import Ratios, Reading
from online_models.features.layout import SUMMED, Layout
from online_models.features.rings import SLOTS
from schemas.declare import TILES

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

_BLOCK = 1 << 20
"""Rows are finalised in blocks whose lanes fit this: larger ones leave the cache, and what passes
4 MiB is asked of the system anew at every step (`infra.memory`), which triples the time."""
_SLOT = np.arange(SLOTS)
_LAST_SLOT = SLOTS - 1


def features_at(layout: Layout, states: F8, t: I8) -> F8:
    """The features [n, features] of n rows [n, width] at their times t [n], ms since the epoch.

    Features come in the order of the layout's entities and their declarations. A row's features
    depend on that row and its time only, bit for bit, however many rows there are.
    """
    return _finaliser(layout)(states, t)


class Finaliser:
    """A layout's features grouped by kind, with the columns that each reads."""

    def __init__(self, layout: Layout) -> None:
        places = places_of(layout)
        heads = [place.head(ring) for place in places for ring in place.layout.rings]
        self._heads = np.array(heads, np.int64)
        tiles = [ring.tile for place in places for ring in place.layout.rings]
        self._tile = np.array(tiles, np.float64)
        lanes = [
            (place.ring(lane.ring), place.column(lane))
            for place in places
            for lane in place.layout.lanes
            if lane.measure in SUMMED
        ]
        self._lane_ring = np.array([ring for ring, _ in lanes], np.int64)
        columns = np.array([column for _, column in lanes], np.int64)
        self._cells = (columns[:, None] + _SLOT).ravel()
        self._block = max(1, _BLOCK // max(1, self._cells.nbytes))
        self._arrange([Node(place, f) for place in places for f in place.layout.entity.features])

    def _arrange(self, wanted: list[Node]) -> None:
        family = [each for node in wanted for each in node.family()]
        ordered, self._groups = grouped([node for node in family if node.depth == 0])
        number = {id(node): at for at, node in enumerate(ordered)}
        self._ratios: list[Ratios] = []
        for depth in range(1, 1 + max(node.depth for node in family)):
            level = [node for node in family if node.depth == depth]
            self._ratios.append(
                Ratios(
                    np.array([number[id(node.parts[0])] for node in level], np.int64),
                    np.array([number[id(node.parts[1])] for node in level], np.int64),
                    np.array([node.feature.default for node in level]),
                )
            )
            number |= {id(node): len(number) + at for at, node in enumerate(level)}
        self._order = np.array([number[id(node)] for node in wanted], np.int64)

    def __call__(self, states: F8, t: I8) -> F8:
        """The features [n, features] of rows [n, width] at times [n]."""
        if len(states) <= self._block:
            return self._finalise(states, t)
        starts = range(0, len(states), self._block)
        blocks = [slice(start, start + self._block) for start in starts]
        return np.concatenate([self._finalise(states[block], t[block]) for block in blocks])

    def _finalise(self, states: F8, t: I8) -> F8:
        reading = self._read(states, t)
        features = np.concatenate([group(reading) for group in self._groups], axis=1)
        for ratios in self._ratios:
            features = np.concatenate([features, ratios(features)], axis=1)
        return features.take(self._order, axis=1)

    def _read(self, states: F8, t: I8) -> Reading:
        time = t.astype(np.float64)[:, None]
        newest = np.floor((time - 1.0) / self._tile)
        heads = states.take(self._heads, axis=1)
        behind = (heads.astype(np.int64)[:, :, None] - _SLOT) & _LAST_SLOT
        back = behind + (newest - heads).astype(np.int64)[:, :, None]
        inside = (back.view(np.uint64) < TILES).astype(np.float64)
        tiles = states.take(self._cells, axis=1).reshape(len(states), len(self._lane_ring), SLOTS)
        sums = np.vecdot(tiles, inside.take(self._lane_ring, axis=1))
        return Reading(states, time, newest, back, inside, tiles, sums)


_finaliser = lru_cache(maxsize=64)(Finaliser)
