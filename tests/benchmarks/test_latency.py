from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import report
from benchmarks.commands import app
from benchmarks.latency import failures, pictures, results
from benchmarks.latency import run as latency
from benchmarks.latency.command import finish
from benchmarks.latency.confidence import Decision
from benchmarks.latency.figures import floats
from benchmarks.latency.results import Options, Result, Run
from benchmarks.load import bodies
from benchmarks.load.plan import Swap
from benchmarks.storing import ResultError, load, save

Summarised = Callable[..., Run]

BODIES = [b'{"id":"{id}","x":%d}' % i for i in range(100)]


def options(url: str, **more: Any) -> Options:
    given: dict[str, Any] = {"url": url, "rate": 400, "seconds": 2, "warmup_s": 0.3}
    return Options(**{**given, **more})


@pytest.fixture
def result(serve: Callable[..., str]) -> Result:
    return latency.run(options(serve("swapping", 300)), BODIES)


def test_a_fast_server_is_inside_and_all_is_told(result: Result, tmp_path: Path) -> None:
    run = result.runs[0]
    assert run.verdict.decision == Decision.INSIDE
    assert run.verdict.requests == 800
    assert run.verdict.needed == 459
    assert not result.failures
    assert run.outcomes == {"ok": 800}
    assert run.answered["p50"] <= run.answered["p99"] <= run.answered["max"]
    assert run.latency == pytest.approx(run.answered, rel=1e-3)
    low, high = floats(run.intervals["p50"])
    assert low <= run.answered["p50"] * 1.01
    assert high >= run.answered["p50"]
    assert 350 < run.offered < 450
    assert len(run.swaps) >= 5
    assert run.stages["redis"].count == 100
    assert run.stages["redis"].p50 == pytest.approx(1.0)
    assert result.models == [{"name": "m", "version": 1}]
    assert sum(moment.count for moment in run.timeline) == 800
    assert result.machine.cores >= 1
    pictures.draw(result, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.parametrize("kind", ["page", "babble"])
def test_a_server_that_tells_nothing_of_itself_is_measured_all_the_same(
    serve: Callable[..., str], kind: str
) -> None:
    found = latency.run(options(serve(kind), rate=100, seconds=0.5), BODIES)
    assert found.runs[0].outcomes == {"ok": 50}
    assert found.runs[0].stages == {}
    assert found.models is None
    told = io.StringIO()
    Console(file=told).print(report.told(found))
    assert "no time by stage" in told.getvalue()


def test_a_result_is_read_back_as_it_was(summarised: Summarised, tmp_path: Path) -> None:
    result = results.make(Options(), [summarised(np.full(1000, 3.0))], [{"name": "m"}])
    save(result, tmp_path / "a.json")
    assert load(tmp_path / "a.json", Result) == result
    (tmp_path / "b.json").write_text('{"kind": 3}')
    with pytest.raises(ResultError, match=r"b\.json is no result"):
        load(tmp_path / "b.json", Result)


def test_failures_are_overruns(serve: Callable[..., str]) -> None:
    run = latency.run(options(serve("faulty"), seconds=1), BODIES).runs[0]
    assert run.verdict.decision == Decision.OUTSIDE
    assert run.over_budget.value >= 0.4
    assert run.latency["p99"] is None
    assert run.answered["p99"] < 50


@pytest.mark.parametrize("ended", ["late", "shed"])
def test_a_burst_of_failures_weighs_as_much_as_one_of_late_answers(
    summarised: Summarised, tmp_path: Path, ended: str
) -> None:
    """250 of 30,000 in one moment: inside were they independent, and not to be relied on."""
    burst = (np.arange(30_000) >= 5_000) & (np.arange(30_000) < 5_250)
    took = np.where(burst & (ended == "late"), 80.0, 5.0)
    run = summarised(took, shed=burst & (ended == "shed"))
    assert run.verdict.decision == Decision.INSIDE
    assert run.latency["p90"] == pytest.approx(5, rel=0.01)
    assert run.latency["p99.9"] == (None if ended == "shed" else pytest.approx(80, rel=0.01))
    assert not run.holds(Options())
    result = results.make(Options(), [run], None)
    assert "bursts allowed for" in result.headline
    save(result, tmp_path / "a.json")
    assert load(tmp_path / "a.json", Result) == result
    pictures.draw(result, tmp_path / "a.png")


def test_wrong_answers_fail_the_benchmark(serve: Callable[..., str]) -> None:
    found = latency.run(options(serve("wrong"), seconds=1), BODIES)
    [wrong, *_] = found.failures
    assert "wrong answers to 400 requests" in wrong
    assert f"FAILED: {wrong}" in found.headline


def test_a_starved_generator_is_named_and_the_run_invalid(serve: Callable[..., str]) -> None:
    url = serve("constant")
    with starving():
        found = latency.run(options(url), BODIES)
    assert not found.valid
    assert any("late" in fault for fault in found.runs[0].generator.faults)
    assert "the load generator was the bottleneck" in found.headline


@contextmanager
def starving() -> Iterator[None]:
    """Stops this process's generator for 100 of every 200 ms."""
    over = threading.Event()

    def starve() -> None:
        while not over.wait(0.1):
            for child in psutil.Process().children():
                with suppress(psutil.NoSuchProcess):
                    if "benchmarks.load" in child.cmdline():
                        child.suspend()
                        over.wait(0.1)
                        child.resume()

    thread = threading.Thread(target=starve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_lateness_of_the_generator_alone_makes_a_run_invalid(summarised: Summarised) -> None:
    """A record in which the server takes 1 ms and the generator wakes 60 ms late now and then."""
    late = np.where(np.arange(1000) % 20 == 0, 60, 0)
    run = summarised(np.full(1000, 1.0) + late, late)
    assert not run.valid
    assert run.verdict.decision == Decision.OUTSIDE
    assert run.generator.overruns == 0
    assert summarised(np.full(1000, 1.0), np.zeros(1000)).valid


def test_bursts_keep_a_run_from_holding(summarised: Summarised) -> None:
    """2,000 requests, 8 over the budget, all in one moment: inside if they were independent."""
    took = np.where((np.arange(2000) >= 500) & (np.arange(2000) < 508), 80.0, 5.0)
    took[500:540] = np.maximum(took[500:540], 49.0)
    run = summarised(took, np.zeros(2000))
    run = msgspec.structs.replace(
        run, verdict=msgspec.structs.replace(run.verdict, decision=Decision.INSIDE)
    )
    assert run.reaches(Options()) > 50
    assert not run.holds(Options())
    assert "bursts allowed for" in results.headline(Options(), [run], None)


def test_the_first_answer_of_an_arm_and_the_warm_up_are_no_swaps() -> None:
    versions = [
        Swap(0.1, "champion", 5),
        Swap(0.2, "challenger", 9),
        Swap(0.9, "champion", 6),
        Swap(1.5, "late arm", 2),
        Swap(1.6, "challenger", 10),
        Swap(2.5, "late arm", 3),
    ]
    assert [(each.model, each.version) for each in latency.swaps(versions, 1.0)] == [
        ("challenger", 10),
        ("late arm", 3),
    ]


def test_requests_of_a_domain_are_those_of_its_data() -> None:
    made = bodies.of_domain("flights", count=50)
    decoded = [msgspec.json.decode(body) for body in made]
    assert all(each["id"] == "{id}" for each in decoded)
    assert {"carrier", "flight", "origin", "dest", "distance", "scheduled", "at"} <= set(decoded[0])
    assert "at" not in msgspec.json.decode(bodies.of_domain("flights", count=1, at="now")[0])
    assert msgspec.json.decode(bodies.of_domain("flights", count=1, at="5")[0])["at"] == 5


def test_requests_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "bodies.jsonl"
    file.write_text('{"id": "a", "x": 1}\n\n{"inputs": [1], "name": "{id}"}\n')
    assert bodies.of_file(file) == [b'{"id":"{id}","x":1}', b'{"inputs": [1], "name": "{id}"}']
    file.write_text("[1]\n")
    with pytest.raises(ValueError, match="line 1 is no JSON object"):
        bodies.of_file(file)


def test_the_commands(serve: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "bodies.jsonl"
    file.write_bytes(BODIES[0].replace(b"{id}", b"x"))
    given = ["latency", "--url", serve("constant"), "--rate", "600", "--seconds", "1"]
    given += ["--warmup", "0.2", "--body-file", str(file)]
    for name in ("a", "b"):
        ran = CliRunner().invoke(app, [*given, "--out", str(tmp_path / name)])
        assert ran.exit_code in (0, 2), ran.output
        assert "verdict on p99" in ran.output
        assert (tmp_path / name / "latency.png").exists()
    pair = [str(tmp_path / name / "latency.json") for name in ("a", "b")]
    ran = CliRunner().invoke(app, ["compare", *pair])
    assert ran.exit_code == 0
    assert "beyond noise" in ran.output


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("status", 500, "no right answer"),
        ("status", 503, "no right answer"),
        ("status", 0, "no right answer"),
        ("hanging", 0, "no right answer"),
        ("faulty", 0, "error"),
        ("wrong", 0, "wrong answers"),
    ],
)
def test_a_server_that_fails_fails_the_command(
    serve: Callable[..., str], tmp_path: Path, kind: str, value: float, told: str
) -> None:
    asked = options(serve(kind, value), rate=200, seconds=0.5, warmup_s=0.1, drain_s=0.3)
    console = Console(file=StringIO(), width=200)
    (tmp_path / "latency.png").write_bytes(b"of an earlier run")
    with pytest.raises(typer.Exit) as ended:
        finish(console, latency.run(asked, BODIES), tmp_path)
    assert ended.value.exit_code == 1
    assert isinstance(console.file, StringIO)
    assert re.search(f"failed: .*{told}", console.file.getvalue())
    picture = tmp_path / "latency.png"
    assert not picture.exists() or picture.read_bytes() != b"of an earlier run"
    assert picture.exists() is (told != "no right answer")


def test_a_short_run_that_is_outside_is_not_too_short_for_a_verdict(
    summarised: Summarised,
) -> None:
    console = Console(file=StringIO(), width=200)
    console.print(report.told(results.make(Options(), [summarised(np.full(400, 80.0))], None)))
    assert isinstance(console.file, StringIO)
    assert "outside: 400 overruns in 400 requests; MLPerf" in console.file.getvalue()
    console.print(report.told(results.make(Options(), [summarised(np.full(400, 5.0))], None)))
    assert "0 overruns in 400 requests, too few to be inside" in console.file.getvalue()


@pytest.mark.parametrize(
    ("outcomes", "failed"),
    [
        ({"ok": 99, "error": 1}, False),
        ({"ok": 98, "error": 1, "broken": 1}, True),
        ({"ok": 50, "shed": 50}, False),
        ({"degraded": 10_000, "wrong": 1}, True),
        ({"shed": 100}, True),
    ],
)
def test_what_fails_a_run(outcomes: dict[str, int], failed: bool) -> None:
    assert bool(failures.of(outcomes)) is failed
