"""Flights: the departures from New York in 2013 and its weather, as streams.

What is known when stands in `tables`, where the recorded files are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.dataset import Columns, Demo, NoSuchData, Stamped, in_order, part, refuse_plants
from schemas.declare import MINUTE
from schemas.flights import tables
from schemas.flights.tables import NEVER, Table

ASKED_AHEAD = 60 * MINUTE
"""A question is asked this long before the scheduled departure."""

LATE = 15.0
"""Minutes of arrival delay above which the label is 1."""

TIMEZONE = "America/New_York"

DEMO = Demo(days=20, step=5 * MINUTE)
"""18,000 questions, whose labels come within a day."""


def span() -> tuple[int, int]:
    """First and last event time (ms) of all streams."""
    flights, weather = tables.flights(), tables.weather()
    first = min(int(flights["scheduled"].min()) - ASKED_AHEAD, int(weather["time"].min()))
    return first, max(int(flights["landed"].max()), int(weather["time"].max()))


def replay(
    days: float | None = None,
    start: str | None = None,
    seed: int = 0,
    plant: Sequence[str] = (),
) -> Iterator[Stamped]:
    """The streams of the flights scheduled, and the weather observed, in a part of 2013.

    A flight comes whole: a question an hour before its scheduled departure, `scheduled`, and, where
    they happened, `departed`, `landed` and its label. A cancelled flight has neither of the three,
    a diverted one only `departed`. See `schemas.dataset.Dataset.replay` for the arguments.
    """
    refuse_plants("flights", plant)
    first, last = part(span(), TIMEZONE, start, days)
    flights, weather = tables.flights(), tables.weather()
    flights = _rows(flights, _within(flights["scheduled"], first, last))
    weather = _rows(weather, _within(weather["time"], first, last))
    return in_order(_kinds(flights, weather))


def truth(
    days: float | None = None,
    start: str | None = None,
    seed: int = 0,
    plant: Sequence[str] = (),
) -> Iterator[Mapping[str, Any]]:
    """Raises NoSuchData: what is recorded has no truth beside its labels."""
    refuse_plants("flights", plant)
    raise NoSuchData("the data of flights are recorded: nothing is planted, so there is no truth")


def _kinds(flights: Table, weather: Table) -> list[Columns]:
    """Six kinds of record, in the order in which they come where their times are equal."""
    departed = _known(flights, "departed")
    landed = _known(flights, "landed")
    named = ("leg", "carrier", "flight", "tailnum", "origin", "dest", "scheduled")
    return [
        _columns("weather", weather),
        _columns("scheduled", _pick(flights, *named, time="scheduled")),
        _columns("departed", _pick(departed, *named, time="departed", delay="dep_delay")),
        _columns("landed", _pick(landed, *named, "air_time", time="landed", delay="arr_delay")),
        _label(landed),
        _request(_pick(flights, *named[1:], "distance", id="leg")),
    ]


def _columns(name: str, fields: Table) -> Columns:
    """The events of one name, by time."""
    fields = _rows(fields, np.argsort(fields["time"], kind="stable"))
    return Columns("events", name, fields["time"], fields)


def _label(landed: Table) -> Columns:
    late = (landed["arr_delay"] > LATE).astype(np.float64)
    fields = {"id": landed["leg"], "time": landed["landed"], "value": late}
    fields = _rows(fields, np.argsort(fields["time"], kind="stable"))
    return Columns("labels", "label", fields["time"], fields)


def _request(fields: Table) -> Columns:
    at = fields["scheduled"] - ASKED_AHEAD
    fields = _rows({"at": at, **fields}, np.argsort(at, kind="stable"))
    return Columns("requests", "request", fields["at"], fields)


def _rows(table: Table, rows: NDArray[Any]) -> Table:
    return {name: column[rows] for name, column in table.items()}


def _pick(table: Table, *names: str, **renamed: str) -> Table:
    return {name: table[name] for name in names} | {new: table[old] for new, old in renamed.items()}


def _known(table: Table, time: str) -> Table:
    return _rows(table, np.flatnonzero(table[time] != NEVER))


def _within(times: NDArray[np.int64], first: int, last: int) -> NDArray[Any]:
    return np.flatnonzero((times >= first) & (times < last))
