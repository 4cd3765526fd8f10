"""A file and a topic are answered as the endpoint answers them, row by row; bad rows are told."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import fastavro
import pyarrow
import pyarrow.parquet
import pytest
from msgspec import UNSET
from msgspec.structs import fields
from typer.testing import CliRunner, Result

import headrace
from infra import inspection, terminal
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from infra.written import UnknownFormat
from schemas import domains
from schemas.declare import Domain
from serving import bulk
from serving.answers import Answer
from serving.bulk import NoSuchRange, Questions
from serving.patient import NotReady
from tests.serving.worlds import World, world

LEFT_OUT = {field.name for field in fields(Answer) if field.default is UNSET}
"""What an answer has only where there is something to say."""


RANGES = ("", ":0-", ":0-1", ":1-1")


@pytest.fixture(scope="module")
def made(broker: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    home = tmp_path_factory.mktemp("bulk")
    domain = dataclasses.replace(domains.load("flights"), name=f"flightsbulk{os.getpid()}")
    return world(Settings(kafka=broker, redis=redis_url, home=home), domain)


@pytest.fixture(scope="module")
def told(made: World) -> list[dict[str, Any]]:
    """What the endpoint answers, in the order of the requests."""
    with made.endpoint() as url:
        return without_place([made.ask(url, request) for request in made.requests])


def write(path: Path, requests: list[dict[str, Any]], domain: Domain) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(request)}\n" for request in requests))
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(requests), path)
    else:
        with path.open("wb") as out:
            fastavro.writer(out, dict(domain.schemas["request"]), requests)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        return list(pyarrow.parquet.read_table(path).to_pylist())
    with path.open("rb") as file:
        return [dict(row) for row in fastavro.reader(file)]


def without_place(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers; what an answer may leave out stands in a table as nothing.

    How many rows share a run of the graph decides the last bit of a sum, so also over HTTP.
    """
    plain = [
        {n: v for n, v in row.items() if n != "place" and (n not in LEFT_OUT or v is not None)}
        for row in rows
    ]
    return [{**row, "probability": round(row["probability"], 12)} for row in plain]


def score(made: World, questions: Questions, out: Path, log: bool = False) -> bulk.Scored:
    return bulk.run(made.settings, made.domain, questions, out, log, lambda _: None)


@pytest.mark.parametrize("ending", [".jsonl", ".avro", ".parquet"])
def test_a_file_is_answered_as_the_endpoint_answers(
    made: World, told: list[dict[str, Any]], tmp_path: Path, ending: str
) -> None:
    asked = write(tmp_path / f"asked{ending}", made.requests, made.domain)
    out = tmp_path / "deep" / f"answers{ending}"
    done = score(made, bulk.of_file(made.domain, asked), out)
    assert (done.answers, done.bad.number, done.degraded) == (len(told), 0, {})
    rows = read(out)
    assert without_place(rows) == told
    assert rows[6]["place"] == f"asked{ending}:7"
    assert len({answer["probability"] for answer in told}) > 100
    assert {answer["version"] for answer in told} != {0}
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_a_range_of_a_topic_is_answered_and_logged_where_asked(
    made: World, told: list[dict[str, Any]], tmp_path: Path
) -> None:
    sender = Sender(made.settings, made.domain, registry(made.settings))
    for request in made.requests:
        sender.send("requests", "request", request, request["id"])
    sender.flush()
    sender.send_bytes(made.domain.topic("requests"), None, b"garbage")
    sender.flush()
    logged = list(inspection.read(made.settings, made.domain, "predictions"))
    out = tmp_path / "answers.jsonl"
    done = score(made, bulk.of_topic(made.settings, made.domain, "requests"), out, log=True)
    assert (done.answers, done.bad.number) == (len(told), 1)
    assert "not_avro" in str(done.bad.first[0])
    by_id = {answer["id"]: answer for answer in told}
    rows = read(out)
    assert {row["id"]: row for row in without_place(rows)} == by_id
    after = list(inspection.read(made.settings, made.domain, "predictions"))
    assert len(after) == len(logged) + len(told)
    assert {record["vector_hash"] for record in after} == {made.domain.vector_hash}
    some = tmp_path / "some.jsonl"
    asked = bulk.of_topic(made.settings, made.domain, "requests/2:3-9")
    done = score(made, asked, some)
    assert (asked.size, asked.done(), done.answers) == (6, 6, 6)
    sizes = [bulk.of_topic(made.settings, made.domain, f"requests{words}").size for words in RANGES]
    assert sizes == [len(told) + 1, len(told) + 1, 4, 0]
    topic = made.domain.topic("requests")
    assert [row["place"] for row in read(some)] == [f"{topic}/2/{n}" for n in range(3, 9)]
    assert len(list(inspection.read(made.settings, made.domain, "predictions"))) == len(after)


def test_partitions_that_end_before_a_range_begins_have_nothing_to_answer(
    made: World, tmp_path: Path
) -> None:
    topic = made.domain.topic("predictions")
    sizes = {p: end for p, (_, end) in inspection.spans(made.settings, topic, range(4)).items()}
    start = min(sizes.values()) + 1
    asked = bulk.of_topic(made.settings, made.domain, f"predictions:{start}-")
    done = score(made, asked, tmp_path / "some.jsonl")
    left = sum(max(size - start, 0) for size in sizes.values())
    assert (asked.size, asked.done(), done.bad.number) == (left, left, left)
    beyond = bulk.of_topic(made.settings, made.domain, "requests:1000000-")
    assert score(made, beyond, tmp_path / "none.jsonl").answers == 0


@pytest.mark.parametrize(
    "words",
    ["requests:5", "requests:a-b", "requests/x", "requests/9:0-1", "requests:²-3", "requests:9-2"],
)
def test_a_range_that_is_none_is_refused(made: World, words: str) -> None:
    with pytest.raises(
        NoSuchRange, match=r"expected TOPIC|partitions 0 to 3|at 9, above 2; expected"
    ):
        bulk.of_topic(made.settings, made.domain, words)


def predict(made: World, monkeypatch: pytest.MonkeyPatch, file: Path, out: Path) -> Result:
    """What the shell sees."""
    monkeypatch.setattr(domains, "load", lambda _: made.domain)
    monkeypatch.setenv("HEADRACE_KAFKA", made.settings.brokers)
    monkeypatch.setenv("HEADRACE_REDIS", made.settings.redis_url)
    monkeypatch.setattr(terminal.err, "_width", 200)
    words = ["predict", "--file", str(file), "--out", str(out)]
    return CliRunner().invoke(headrace.app, words)


def test_a_file_without_a_line_has_no_answers(
    made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asked.jsonl").touch()
    result = predict(made, monkeypatch, tmp_path / "asked.jsonl", tmp_path / "answers.jsonl")
    assert result.exit_code == 0
    assert "0 answered" in result.stderr
    assert re.search(r"answers\W+0\b", result.stdout)
    assert read(tmp_path / "answers.jsonl") == []


def test_bad_rows_are_told_by_line_and_field_and_the_exit_code_is_1(
    made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = made.requests[0]
    lines = [
        json.dumps(good),
        json.dumps({**good, "distance": "far"}),
        json.dumps({**good, "dest": ""}),
        "{",
        json.dumps({**good, "id": None, "tailnumber": 1}),
        json.dumps(good),
    ]
    (tmp_path / "asked.jsonl").write_text("\n".join(lines))
    result = predict(made, monkeypatch, tmp_path / "asked.jsonl", tmp_path / "answers.parquet")
    assert result.exit_code == 1
    size = (tmp_path / "asked.jsonl").stat().st_size
    assert re.search(rf"bytes read.* {size}/{size} 2 answered", result.stderr)
    assert len(read(tmp_path / "answers.parquet")) == 2
    done = score(
        made, bulk.of_file(made.domain, tmp_path / "asked.jsonl"), tmp_path / "again.jsonl"
    )
    said = [str(bad) for bad in done.bad.first]
    assert done.bad.number == len(said) == 4
    for text, place, field in zip(said, (2, 3, 4, 5), ("distance", "dest", "", "tailnum"),
                                  strict=True):  # fmt: skip
        assert text.startswith(f"asked.jsonl:{place}: ")
        assert field in text


def test_what_cannot_be_done_is_told_and_leaves_no_file(made: World, tmp_path: Path) -> None:
    asked = write(tmp_path / "asked.jsonl", made.requests[:1], made.domain)
    with pytest.raises(UnknownFormat, match=r"ends in \.avro"):
        score(made, Questions([]), tmp_path / "answers.csv")
    away = made.settings.model_copy(update={"redis": "redis://127.0.0.1:1/0", "wait_s": 0.5})
    with pytest.raises(NotReady, match="Redis has not answered"):
        bulk.run(
            away, made.domain, bulk.of_file(made.domain, asked), tmp_path / "a.avro", False, print
        )
    assert [file.name for file in tmp_path.iterdir()] == ["asked.jsonl"]
