from __future__ import annotations

import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.event_files import (
    SHOWN,
    BadRow,
    BadRows,
    EventFile,
    Row,
    UnreadableFileError,
    open_file,
)
from infra.records import Shape, from_words
from schemas import domains
from schemas.avro import Codec, Reader, frame

SCHEMAS = domains.load("flights").schemas
TIME = 1_357_034_400_000
WEATHER = {"time": TIME, "origin": "JFK", "temp": 39.0}
DEPARTED = {
    "time": TIME,
    "leg": "UA1545.EWR.1",
    "carrier": "UA",
    "flight": "UA1545",
    "tailnum": None,
    "origin": "EWR",
    "dest": "IAH",
    "scheduled": TIME - 120_000,
    "delay": 2.0,
}


def lines(*rows: Any, event: str | None = None) -> list[Row | BadRow]:
    text = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return list(EventFile("stdin", io.BytesIO(text), SCHEMAS, event))


def test_a_line_names_its_event_or_the_caller_does() -> None:
    [named, given] = [*lines({"event": "departed", **DEPARTED}), *lines(DEPARTED, event="departed")]
    assert named == given == Row("stdin:1", "departed", DEPARTED)


def test_left_out_fields_get_the_defaults_of_the_schema() -> None:
    [row] = lines({"time": TIME, "origin": "JFK"}, event="weather")
    assert isinstance(row, Row)
    assert row.record["temp"] is None
    assert set(row.record) == {field["name"] for field in SCHEMAS["weather"]["fields"]}


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({**DEPARTED, "delay": "late"}, "$.delay"),
        ({**DEPARTED, "dely": 1.0}, "did you mean 'delay'"),
        ({name: DEPARTED[name] for name in DEPARTED if name != "dest"}, "`dest`"),
        ({**DEPARTED, "time": "2013-01-01T10:00:00"}, "no offset"),
        ({**DEPARTED, "time": "yesterday"}, "neither ISO 8601 nor milliseconds"),
        ({**DEPARTED, "time": 10**30}, "time"),
        ({**DEPARTED, "carrier": "\ud800"}, "departed.carrier is"),
        ({**DEPARTED, "delay": math.nan}, "field 'delay': expected a finite number, found nan"),
        ({**DEPARTED, "delay": math.inf}, "field 'delay'"),
        ({**DEPARTED, "event": ["departed"]}, "event"),
        ([1, 2], "expected an object, found list"),
        (b"[" * 100_000, "no JSON"),
        (b"{broken", "no JSON"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_field_and_the_rest_goes_on(
    row: Any, part: str
) -> None:
    first, bad, after = lines(DEPARTED, row, DEPARTED, event="departed")
    assert isinstance(first, Row)
    assert isinstance(bad, BadRow)
    assert bad.place == "stdin:2"
    assert part in bad.reason
    assert isinstance(after, Row)


def test_the_field_that_names_the_event_must_be_text() -> None:
    [bad] = lines({"event": ["departed"], **DEPARTED})
    assert str(bad) == "stdin:1: field 'event': expected text, found list"


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(changes=st.dictionaries(st.sampled_from(sorted(DEPARTED)), values, max_size=3))
def test_a_row_that_fits_can_be_written_and_used(changes: dict[str, Any]) -> None:
    schema = SCHEMAS["departed"]
    [row] = lines({**DEPARTED, **changes}, event="departed")
    if isinstance(row, Row):
        body = Codec(schema).encode(row.record)
        assert all(map(math.isfinite, (v for v in row.record.values() if isinstance(v, float))))
        _, found = Reader(SCHEMAS, lambda _: schema).decode(frame(1, body))
        assert found == row.record
    else:
        assert any(name in row.reason for name in changes)


class Pipe(io.RawIOBase):
    """What cannot be sought in, as standard input behind a pipe."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._data.readinto(buffer)


@pytest.mark.parametrize("kind", ["avro", "parquet", "json"])
def test_a_pipe_may_hold_any_of_the_formats(kind: str) -> None:
    out = io.BytesIO()
    if kind == "avro":
        fastavro.writer(out, SCHEMAS["departed"], [DEPARTED] * 3)
    elif kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([DEPARTED] * 3), out)
    else:
        out.write(b"\n".join([json.dumps(DEPARTED).encode()] * 3))
    pipe = io.BufferedReader(Pipe(out.getvalue()))
    assert not pipe.seekable()
    file = EventFile("stdin", pipe, SCHEMAS, "departed")
    assert list(file) == [Row(f"stdin:{n}", "departed", DEPARTED) for n in (1, 2, 3)]


def test_an_unknown_event_is_answered_with_the_nearest() -> None:
    [bad] = lines({"event": "departd", **DEPARTED})
    assert "did you mean 'departed'" in str(bad)
    [none] = lines(DEPARTED)
    assert "--event" in str(none)
    with pytest.raises(UnreadableFileError, match="departed"):
        open_file(Path("x.jsonl"), SCHEMAS, "departd")


def test_times_may_be_iso_text() -> None:
    [row] = lines({**WEATHER, "time": "2013-01-01T11:00:00+01:00"}, event="weather")
    assert isinstance(row, Row)
    assert row.record["time"] == TIME


def test_avro_container(tmp_path: Path) -> None:
    path = tmp_path / "departed.avro"
    with path.open("wb") as out:
        fastavro.writer(out, SCHEMAS["departed"], [DEPARTED] * 3)
    file = open_file(path, SCHEMAS)
    assert list(file) == [Row(f"departed.avro:{n}", "departed", DEPARTED) for n in (1, 2, 3)]
    assert file.done == file.size


def test_an_avro_container_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.avro"
    with path.open("wb") as out:
        fastavro.writer(out, SCHEMAS["departed"], [DEPARTED] * 3)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UnreadableFileError, match=r"cut\.avro: broken"):
        list(open_file(path, SCHEMAS))


def test_parquet_with_timestamps(tmp_path: Path) -> None:
    path = tmp_path / "weather.parquet"
    rows = [{**WEATHER, "time": datetime.fromtimestamp(TIME / 1000, UTC)}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    [row] = open_file(path, SCHEMAS, "weather")
    assert isinstance(row, Row)
    assert row.record == Shape(SCHEMAS["weather"]).fit(WEATHER)


def test_how_far_a_file_was_read_is_told_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "weather.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([WEATHER] * 4), path)
    file = open_file(path, SCHEMAS, "weather")
    size = path.stat().st_size
    assert [(file.done, file.size) for _ in file] == [(size * n // 4, size) for n in (1, 2, 3, 4)]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"no\.jsonl: No such file"):
        open_file(tmp_path / "no.jsonl", SCHEMAS)


@pytest.mark.parametrize("ending", ["parquet", "avro", "jsonl"])
def test_of_nothing_only_json_lines_can_be_made(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"none.{ending}"
    path.touch()
    if ending == "jsonl":
        assert list(open_file(path, SCHEMAS)) == []
        return
    with pytest.raises(UnreadableFileError, match=rf"none\.{ending}: 0 bytes; expected .* rows"):
        open_file(path, SCHEMAS)


def test_words_of_a_command_line_become_a_record() -> None:
    words = ["carrier=UA", "flight=UA1545", "origin=EWR", "dest=IAH", "distance=1400"]
    made = from_words(SCHEMAS["request"], [*words, "scheduled=2013-01-01T10:00:00Z"])
    assert made["distance"] == 1400.0
    assert made["scheduled"] == TIME
    same = from_words(SCHEMAS["request"], [*words, f"scheduled={TIME}"])
    assert same == made
    with pytest.raises(ValueError, match="name=value"):
        from_words(SCHEMAS["request"], ["carrier"])


def test_all_bad_rows_are_counted_and_the_first_are_kept() -> None:
    rows = [BadRow(f"file:{line}", "no JSON") for line in range(SHOWN + 5)]
    bad = BadRows()
    for row in rows:
        bad.add(row)
    assert (bad.number, bad.first) == (SHOWN + 5, rows[:SHOWN])
