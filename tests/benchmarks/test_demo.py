"""The demo as a person runs it: it ends by itself, reports, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from infra import topics
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from schemas import domains
from tests.benchmarks.left_over import left_in

COMMAND = [sys.executable, "-m", "headrace", "demo", "--step", "60"]


def _start(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
    return subprocess.Popen(
        [*COMMAND, *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A demo of part of a day: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    process = _start(folder, "--days", "0.5", "--report", "told")
    try:
        said, _ = process.communicate(timeout=170)
    finally:
        process.terminate()  # also where it takes too long: it cleans up
        process.wait(60)
    assert process.returncode == 0, said
    return folder, said


def test_it_leaves_its_report_and_nothing_else(run: tuple[Path, str]) -> None:
    folder, _ = run
    assert [path.name for path in folder.iterdir()] == ["told"]
    assert {path.name for path in (folder / "told").iterdir()} == {
        "report.json",
        "report.md",
        "report.png",
    }
    assert (folder / "told/report.png").read_bytes().startswith(b"\x89PNG")
    assert left_in(folder) == []


def test_the_report_adds_up(run: tuple[Path, str]) -> None:
    told: dict[str, Any] = json.loads((run[0] / "told/report.json").read_bytes())
    counts = told["counts"]
    assert counts["events"] == sum(
        counts[name] for name in ("scheduled", "departed", "landed", "weather")
    )
    assert counts["requests"] == counts["predictions"] > 100
    assert 100 < counts["examples"] <= counts["labels"] <= counts["requests"]
    assert told["dead_letters"] == {}
    assert sum(each["answers"] for each in told["versions"]) == counts["predictions"]
    whole = told["periods"]["whole run"]
    assert {"served", "base-rate", "logistic-static"} <= whole.keys()
    assert whole["served"]["examples"] == counts["examples"]
    assert 0 < whole["served"]["log_loss"] < 2
    assert told["latency"]["budget"] == 50
    assert told["latency"]["percentiles"]["p50"] <= told["latency"]["percentiles"]["p99"]
    assert len(told["timeline"]) > 3


def test_it_says_how_it_goes_and_what_came_of_it(run: tuple[Path, str]) -> None:
    folder, said = run
    text = (folder / "told/report.md").read_text()
    for word in ("predictions", "labels", "examples", "ROC AUC", "log loss", "p99", "dead letters"):
        assert word in said
        assert word in text
    assert "served" in text
    assert "base-rate" in text
    assert "](report.png)" in text


@pytest.mark.parametrize(
    ("moment", "wait"),
    [
        ("Starting", 0.0),
        pytest.param("Starting", 2.0, marks=pytest.mark.slow),
        pytest.param("replaying", 0.5, marks=pytest.mark.slow),
        pytest.param("learning the rest", 0.0, marks=pytest.mark.slow),
        pytest.param("Writing", 0.0, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_stops_it_cleanly_at_any_moment(tmp_path: Path, moment: str, wait: float) -> None:
    process = _start(tmp_path, "--days", "4")
    assert process.stdout is not None
    heard = ""
    while moment not in heard:
        heard = process.stdout.readline()
        assert heard, "it ended before"
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert left_in(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} <= {"reports"}


def test_a_part_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    process = _start(tmp_path, "--start", "2031-01-01")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no data from 2031-01-01" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_broker_with_records_of_an_earlier_run_is_refused(
    tmp_path: Path, settings: Settings
) -> None:
    topics.create_topics(settings, domains.load("flights"))
    sender = Sender(settings, domains.load("flights"), registry(settings))
    sender.send("labels", "label", {"id": "a", "time": 1_357_000_000_000, "value": 1.0}, "a")
    sender.flush()
    process = _start(tmp_path, "--days", "1", "--kafka", settings.brokers)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"flights\.\S+ on \S+ has \d+ records", said.replace("\n", " "))
    assert "Traceback" not in said
    assert left_in(tmp_path) == []
