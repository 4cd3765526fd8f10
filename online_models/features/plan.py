"""What one event changes in the row of an entity, worked out once from the layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from online_models.features.layout import BLANK, SUMMED, EntityLayout, Lane, Measure
from online_models.features.rings import Ring


@dataclass(frozen=True, slots=True)
class Source:
    """What an event adds to a lane: a measure of a value with a sign; offsets differ by ring."""

    measure: Measure
    value: str | None
    sign: int
    ring: int | None


@dataclass(frozen=True, slots=True)
class RingPlan:
    """One ring that the event touches; columns count cells from the start of a blob.

    `lanes` are all lanes of the ring, of other events too, with their blanks: they are cleared
    together. `adds` name a source by its number, the others the event's field.
    """

    by: str
    tile: int
    head: int
    lanes: tuple[tuple[int, float], ...]
    adds: tuple[tuple[int, int], ...]
    smallest: tuple[tuple[int, str], ...]
    largest: tuple[tuple[int, str], ...]
    registers: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class NewestPlan:
    """Two cells of the newest event, or of the newest with a known `value`."""

    time: int
    content: int
    value: str | None


class EventPlan:
    """The sources, rings and newest cells of one event in blobs whose row starts at `first`."""

    def __init__(self, layout: EntityLayout, event: str, first: int) -> None:
        touched = [lane for lane in layout.lanes if event in (lane.event, lane.minus)]
        rings = tuple(dict.fromkeys(lane.ring for lane in touched))
        sources = {lane: _source(lane, event, rings) for lane in touched if lane.measure in SUMMED}
        self.sources = tuple(dict.fromkeys(sources.values()))
        numbers = {lane: self.sources.index(source) for lane, source in sources.items()}
        self.rings = tuple(_ring(layout, ring, touched, numbers, first) for ring in rings)
        self.newest = tuple(
            NewestPlan(
                first + layout.newest_time(each), first + layout.newest_value(each), each.value
            )
            for each in layout.newest
            if each.event == event
        )
        self.bys = tuple(dict.fromkeys(["time", *(ring.by for ring in rings)]))
        named = [lane.value for lane in touched if lane.measure is not Measure.REGISTERS]
        named += [each.value for each in self.newest]
        self.numbers = tuple(dict.fromkeys(name for name in named if name is not None))


def _source(lane: Lane, event: str, rings: tuple[Ring, ...]) -> Source:
    sign = -1 if lane.minus == event else 1
    ring = rings.index(lane.ring) if lane.measure is Measure.NET_OFFSET else None
    return Source(lane.measure, lane.value, sign, ring)


def _ring(
    layout: EntityLayout, ring: Ring, touched: list[Lane], numbers: dict[Lane, int], first: int
) -> RingPlan:
    mine = [lane for lane in touched if lane.ring == ring]
    return RingPlan(
        by=ring.by,
        tile=ring.tile,
        head=first + layout.head(ring),
        lanes=tuple(
            (first + layout.lane(lane), BLANK.get(lane.measure, 0.0))
            for lane in layout.lanes
            if lane.ring == ring
        ),
        adds=tuple((first + layout.lane(lane), numbers[lane]) for lane in mine if lane in numbers),
        smallest=_fields(layout, mine, Measure.SMALLEST, first),
        largest=_fields(layout, mine, Measure.LARGEST, first),
        registers=_fields(layout, mine, Measure.REGISTERS, first),
    )


def _fields(
    layout: EntityLayout, lanes: Iterable[Lane], measure: Measure, first: int
) -> tuple[tuple[int, str], ...]:
    return tuple(
        (first + layout.lane(lane), lane.value)
        for lane in lanes
        if lane.measure is measure and lane.word == 0 and lane.value is not None
    )
