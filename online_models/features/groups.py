"""Sorts the features of a layout by kind and finds the columns that each kind reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online_models.features import kinds
from online_models.features.layout import EntityLayout, Lane, Layout, Newest, lanes_of
from online_models.features.rings import SLOTS, Ring
from schemas.declare import Feature, Kind

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Place:
    """One entity's part of a joined layout: where its cells, rings and summed lanes begin."""

    layout: EntityLayout
    first_cell: int
    first_ring: int
    first_lane: int

    def head(self, ring: Ring) -> int:
        """The column of a ring's head."""
        return self.first_cell + self.layout.head(ring)

    def ring(self, ring: Ring) -> int:
        """The number of a ring among all rings."""
        return self.first_ring + self.layout.rings.index(ring)

    def column(self, lane: Lane) -> int:
        """The column of a lane's slot 0."""
        return self.first_cell + self.layout.lane(lane)

    def lane(self, lane: Lane) -> int:
        """The number of a lane among all that are summed; they come first in a layout."""
        return self.first_lane + self.layout.lanes.index(lane)


def places_of(layout: Layout) -> list[Place]:
    """The places of a layout's entities, in order."""
    places = []
    cell = ring = lane = 0
    for part in layout.parts:
        places.append(Place(part, cell, ring, lane))
        cell, ring, lane = cell + part.width, ring + len(part.rings), lane + part.summed
    return places


class Node:
    """A feature of a place, with the nodes that it is a ratio of; `depth` is 0 if of none."""

    def __init__(self, place: Place, feature: Feature) -> None:
        self.place = place
        self.feature = feature
        self.parts = tuple(Node(place, part) for part in feature.parts)
        self.depth: int = 1 + max((part.depth for part in self.parts), default=-1)

    def family(self) -> Iterator[Node]:
        """The node and all below it."""
        yield self
        for part in self.parts:
            yield from part.family()


Nodes = Sequence[Node]


def grouped(nodes: Nodes) -> tuple[list[Node], list[kinds.Group]]:
    """The nodes, all of depth 0, in the order in which the groups give their values."""
    by_kind: dict[Kind, list[Node]] = {}
    for node in nodes:
        by_kind.setdefault(node.feature.kind, []).append(node)
    ordered = [node for same in by_kind.values() for node in same]
    return ordered, [_MAKERS[kind](same) for kind, same in by_kind.items()]


def _lane(nodes: Nodes, position: int) -> I8:
    lanes = [node.place.lane(lanes_of(node.feature)[position]) for node in nodes]
    return np.array(lanes, np.int64)


def _ring(nodes: Nodes) -> I8:
    rings = [node.place.ring(lanes_of(node.feature)[0].ring) for node in nodes]
    return np.array(rings, np.int64)


def _cells(nodes: Nodes) -> I8:
    """Columns [features, lanes, 16]."""
    columns = [[node.place.column(lane) for lane in lanes_of(node.feature)] for node in nodes]
    return np.array(columns, np.int64)[:, :, None] + np.arange(SLOTS)


def _default(nodes: Nodes) -> F8:
    return np.array([node.feature.default for node in nodes])


def _over(nodes: Nodes) -> F8:
    return np.array([float(node.feature.over) for node in nodes])


def _newest(nodes: Nodes) -> tuple[I8, I8]:
    times, values = [], []
    for node in nodes:
        place, newest = node.place, Newest(node.feature.event, node.feature.value)
        times.append(place.first_cell + place.layout.newest_time(newest))
        values.append(place.first_cell + place.layout.newest_value(newest))
    return np.array(times, np.int64), np.array(values, np.int64)


def _decayed(nodes: Nodes) -> kinds.Decayed:
    tiles = [Ring(node.feature.by, node.feature.over).tile for node in nodes]
    lives = [node.feature.half_life or 0 for node in nodes]
    weights = [kinds.decay(tile, life) for tile, life in zip(tiles, lives, strict=True)]
    return kinds.Decayed(
        _ring(nodes), _lane(nodes, 0), _lane(nodes, 1), np.array(weights), _default(nodes)
    )


def _ages(nodes: Nodes) -> kinds.BalanceAges:
    tiles = [float(Ring(node.feature.by, node.feature.over).tile) for node in nodes]
    return kinds.BalanceAges(
        _ring(nodes), _lane(nodes, 0), _lane(nodes, 1), np.array(tiles), _default(nodes)
    )


def _extremes(sign: float) -> Callable[[Nodes], kinds.Group]:
    return lambda nodes: kinds.Extremes(_ring(nodes), _cells(nodes)[:, 0], sign, _default(nodes))


_MAKERS: Mapping[Kind, Callable[[Nodes], kinds.Group]] = {
    Kind.COUNT: lambda nodes: kinds.Sums(_lane(nodes, 0)),
    Kind.SUM: lambda nodes: kinds.Sums(_lane(nodes, 0)),
    Kind.MEAN: lambda nodes: kinds.Means(_lane(nodes, 0), _lane(nodes, 1), _default(nodes)),
    Kind.STD: lambda nodes: kinds.Deviations(
        _lane(nodes, 0), _lane(nodes, 1), _lane(nodes, 2), _lane(nodes, 3), _default(nodes)
    ),
    Kind.MIN: _extremes(1.0),
    Kind.MAX: _extremes(-1.0),
    Kind.LAST: lambda nodes: kinds.Newests(*_newest(nodes), _over(nodes), _default(nodes)),
    Kind.SINCE: lambda nodes: kinds.Sinces(_newest(nodes)[0], _over(nodes), _default(nodes)),
    Kind.DECAYED_MEAN: _decayed,
    Kind.DISTINCT: lambda nodes: kinds.Distincts(_ring(nodes), _cells(nodes)),
    Kind.BALANCE: lambda nodes: kinds.Balances(_lane(nodes, 0)),
    Kind.BALANCE_SHARE: lambda nodes: kinds.BalanceShares(
        _lane(nodes, 0), _lane(nodes, 1), _default(nodes)
    ),
    Kind.BALANCE_AGE: _ages,
}
