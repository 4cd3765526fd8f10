"""Where the state of an entity keeps what: a row of float64 cells.

A row is: the heads of the rings | the times of the newest events | their values | lanes of 16
cells, one a slot of its ring. A lane adds up one measure of one event; features share lanes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from online_models.features.distinct import HIGHEST, REGISTERS, WORDS
from online_models.features.rings import EMPTY, SLACK, SLOTS, Ring
from schemas.declare import TILES, Domain, Entity, Feature, Kind

GRID = 2.0**20
"""Values and their squares are rounded to multiples of 1 / GRID, so that sums are exact."""
COARSE = 2.0**13
"""Squares are kept as a multiple of this and a rest, so that their sums are exact up to 2^66."""
LIMIT = 2.0**32
"""A value that is not finite, or larger than this, counts as missing."""


class Measure(StrEnum):
    """What a lane holds of the events in each of its tiles."""

    EVENTS = "events"
    KNOWN = "known"
    VALUE = "value"
    SQUARE_HIGH = "square_high"
    SQUARE_LOW = "square_low"
    NET = "net"
    NET_OFFSET = "net_offset"
    SMALLEST = "smallest"
    LARGEST = "largest"
    REGISTERS = "registers"


SUMMED = frozenset(Measure) - {Measure.SMALLEST, Measure.LARGEST, Measure.REGISTERS}
"""Measures whose tiles are merged by adding; these lanes come first in a row."""
BLANK = {Measure.SMALLEST: np.inf, Measure.LARGEST: -np.inf}
"""What a tile without events holds; 0 for every other measure."""

_MEASURES: Mapping[Kind, tuple[Measure, ...]] = {
    Kind.COUNT: (Measure.EVENTS,),
    Kind.SUM: (Measure.VALUE,),
    Kind.MEAN: (Measure.VALUE, Measure.KNOWN),
    Kind.STD: (Measure.VALUE, Measure.KNOWN, Measure.SQUARE_HIGH, Measure.SQUARE_LOW),
    Kind.MIN: (Measure.SMALLEST,),
    Kind.MAX: (Measure.LARGEST,),
    Kind.DECAYED_MEAN: (Measure.VALUE, Measure.KNOWN),
    Kind.BALANCE: (Measure.NET,),
    Kind.BALANCE_SHARE: (Measure.NET, Measure.EVENTS),
    Kind.BALANCE_AGE: (Measure.NET, Measure.NET_OFFSET),
}
_NET = (Measure.NET, Measure.NET_OFFSET)
_NEWEST = (Kind.LAST, Kind.SINCE)
_ORDER = list(Measure)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lane:
    """One measure of one event in the tiles of one ring; `word` numbers cells of registers."""

    ring: Ring
    measure: Measure
    event: str
    value: str | None = None
    minus: str | None = None
    word: int = 0


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest event of a kind, or the newest that has a value: two cells, time and value."""

    event: str
    value: str | None


def lanes_of(feature: Feature) -> tuple[Lane, ...]:
    """The lanes that a feature reads, in the order of its kind."""
    ring = Ring(feature.by, feature.over)
    if feature.kind is Kind.DISTINCT:
        return tuple(
            Lane(ring, Measure.REGISTERS, feature.event, feature.value, word=word)
            for word in range(WORDS)
        )
    return tuple(
        Lane(
            ring,
            measure,
            feature.event,
            None if measure in (Measure.EVENTS, *_NET) else feature.value,
            feature.minus if measure in _NET else None,
        )
        for measure in _MEASURES.get(feature.kind, ())
    )


class EntityLayout:
    """The row of one entity, of a domain that is validated.

    `rings`, `newest` and `lanes` stand in the row in that order, the first `summed` of the lanes
    are merged by adding; `fingerprint` (32 bits) covers all that decides what the cells mean.
    """

    def __init__(self, entity: Entity) -> None:
        leaves = [leaf for feature in entity.features for leaf in feature.leaves]
        lanes = _unique(lane for feature in leaves for lane in lanes_of(feature))
        self.entity = entity
        self.lanes = tuple(sorted(lanes, key=lambda lane: _ORDER.index(lane.measure)))
        self.rings = tuple(_unique(lane.ring for lane in lanes))
        self.newest = tuple(_unique(Newest(f.event, f.value) for f in leaves if f.kind in _NEWEST))
        self.events = tuple(_unique(name for f in leaves for name in (f.event, f.minus) if name))
        self.summed = sum(lane.measure in SUMMED for lane in lanes)
        self.first_lane = len(self.rings) + 2 * len(self.newest)
        self.width = self.first_lane + SLOTS * len(self.lanes)
        self.fingerprint = crc32(self._meaning().encode())

    @property
    def parts(self) -> tuple[EntityLayout, ...]:
        """Itself: an entity's layout is a joined one of one part."""
        return (self,)

    def head(self, ring: Ring) -> int:
        """The column of a ring's head."""
        return self.rings.index(ring)

    def newest_time(self, newest: Newest) -> int:
        """The column of the newest event's time."""
        return len(self.rings) + self.newest.index(newest)

    def newest_value(self, newest: Newest) -> int:
        """The column of the newest event's value."""
        return self.newest_time(newest) + len(self.newest)

    def lane(self, lane: Lane) -> int:
        """The column of a lane's slot 0."""
        return self.first_lane + SLOTS * self.lanes.index(lane)

    def blank(self) -> NDArray[np.float64]:
        """The row of an entity without events, float64 [width]."""
        blanks = [BLANK.get(lane.measure, 0.0) for lane in self.lanes]
        newest = [float(EMPTY)] * len(self.newest) + [-np.inf] * len(self.newest)
        row = [float(EMPTY)] * len(self.rings) + newest
        return np.concatenate([np.array(row), np.repeat(np.array(blanks), SLOTS)]).astype("<f8")

    def _meaning(self) -> str:
        constants = (TILES, SLOTS, SLACK, EMPTY, GRID, COARSE, LIMIT, REGISTERS, HIGHEST)
        return repr((self.entity.name, self.entity.key, constants, self.newest, self.lanes))


class JoinedLayout:
    """Rows of several entities side by side, such as a request's; `width` is the sum."""

    def __init__(self, parts: Sequence[EntityLayout]) -> None:
        self.parts = tuple(parts)
        self.width = sum(part.width for part in self.parts)


Layout = EntityLayout | JoinedLayout


def join(layouts: Sequence[EntityLayout]) -> JoinedLayout:
    """The layout of rows side by side; its features come in the order of the layouts."""
    return JoinedLayout(layouts)


def layouts_of(domain: Domain) -> dict[str, EntityLayout]:
    """The layout of every entity of a domain by its name, in the domain's order."""
    return {entity.name: EntityLayout(entity) for entity in domain.entities}


def _unique(things: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(things))
