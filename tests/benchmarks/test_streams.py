"""The streams benchmark on a real broker and Redis, small; what it finds wrong; its comparison."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import commands
from benchmarks.compare import compare_files
from benchmarks.machine import facts
from benchmarks.storing import ResultError, save
from benchmarks.storing import load as stored
from benchmarks.streams import (
    checks,
    each_flow,
    goals,
    measured,
    memory,
    peers,
    report,
    results,
    visited,
)
from benchmarks.streams.asked_log import fill_asked
from benchmarks.streams.ratios import of_round, who
from benchmarks.streams.results import Memory, Options, Streams, Turn, WrongOutput
from benchmarks.streams.stack import stack
from benchmarks.workloads import asked_visits, taught_domain, visits
from flows.sampling import key_of
from infra import inspection, terminal, topics
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models.routes import earning


def turn(part: str, name: str, number: int, rate: float, **more: Any) -> Turn:
    given = {"workload": "visits", "records": 1_000, "cpu": 0.01, **more}
    return Turn(part=part, name=name, round=number, seconds=1_000 / rate, **given)


def result(rates: dict[str, float], seed: int = 0, memory_: float = 1.3) -> Streams:
    """Five rounds that wander by 3 %, and by a third from one result to the other."""
    draw = np.random.default_rng(seed)
    mood = draw.uniform(0.8, 1.2)
    turns = [
        turn("peers", name, number, rate * mood * draw.lognormal(0, 0.03))
        for number in range(5)
        for name, rate in rates.items()
    ]
    held = Memory(entities=10_000, raw=1_000, flow=round(memory_ * 1_000), peak=2_000, redis=1_500)
    return Streams(
        kind=results.STREAMS, options=Options(), machine=facts(), titles=peers.TITLES,
        turns=turns, memory=[held], missing={},
    )  # fmt: skip


def test_what_a_loop_over_the_visits_gives_is_what_is_expected() -> None:
    records = list(visits(3_000))
    for user, values in visited.expected(records).items():
        seen = [record for record in records if record["user"] == user]
        tile = 60_000 // 12
        newest = (seen[-1]["time"] - 1) // tile
        inside = [r["amount"] for r in seen if newest - (r["time"] - 1) // tile < 12]
        assert values[:3] == pytest.approx([len(inside), sum(inside), np.mean(inside)])


def test_a_feature_that_is_wrong_or_missing_is_named() -> None:
    wanted = visited.expected(list(visits(100)))
    visited.check("right", wanted, wanted)
    user = next(iter(wanted))
    off = {**wanted, user: [wanted[user][0] + 1, *wanted[user][1:]]}
    for got in (off, {u: v for u, v in wanted.items() if u != user}):
        with pytest.raises(WrongOutput, match=f"wrong: {user} is "):
            visited.check("wrong", got, wanted)


def test_questions_get_labels_after_them_and_everything_is_in_order() -> None:
    stream = list(asked_visits(2_000))
    times = [each.time_ms for each in stream]
    assert times == sorted(times)
    asked = {each.record["id"]: each.time_ms for each in stream if each.stream == "requests"}
    labels = [each for each in stream if each.stream == "labels"]
    assert len(asked) == 400
    assert labels
    assert all(each.time_ms > asked[each.record["id"]] for each in labels)


@pytest.mark.timeout(300)
def test_every_flow_is_right_and_a_spoiled_view_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(earning, "REMEMBERED", 20)  # of the check: logs are longer than it knows
    with stack() as settings:
        domain = taught_domain()
        topics.create_topics(settings, domain)
        newest, counts = fill_asked(settings, domain, asked_visits(6_000))
        assert counts["events"] == 6_000
        for flow in each_flow.FLOWS:
            took = measured.flow(settings, flow)
            assert took.seconds > 0
            assert took.cpu > 0
        checks.check_state(settings, domain, newest)
        for check in checks.CHECKS.values():
            check(settings, domain)
        spoil(settings)
        for flow in ("learning", "routing"):
            with pytest.raises(WrongOutput):
                checks.CHECKS[flow](settings, domain)
        with pytest.raises(WrongOutput, match="sample"):
            checks.check_samples(settings, domain)


def spoil(settings: Settings) -> None:
    """An example more than was asked for, a route that was not earned, a sample of another time."""
    domain = taught_domain()
    example = next(inspection.read(settings, domain, "examples"))
    *_, route = inspection.read(settings, domain, "routes")
    sample = next(inspection.read(settings, domain, "samples"))
    sender = Sender(settings, domain, registry(settings))
    sender.send("examples", "example", {**example, "id": "made up"}, "made up")
    sender.send("routes", "route", {**route, "time": route["time"] + 1}, "route")
    sender.send("samples", "sample", {**sample, "time": sample["time"] - 1}, key_of(sample))
    sender.flush()


def test_more_workers_are_told_as_times_one() -> None:
    turns = [
        turn("scaling", "features", number, rate, workers=workers)
        for number in range(3)
        for workers, rate in (("1", 100.0), ("2 processes", 150.0))
    ]
    given = msgspec.structs.replace(result({}), turns=turns)
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(report.told(given))
    said = console.export_text()
    assert "times one" in said
    assert "1.50 (1.50 to 1.50)" in said


def test_a_process_that_fails_is_told_with_its_words() -> None:
    with pytest.raises(measured.RunFailed, match="ended with 3: no luck"):
        measured.measured(
            ["python", "-c", "import sys; sys.stderr.write('no luck'); sys.exit(3)"], {}
        )


@pytest.mark.timeout(300)
def test_loops_and_bytewax_come_to_our_features() -> None:
    told: list[Turn] = []
    options = Options(peers=("bytewax",), rounds=1, events=10_000)
    turns, missing = peers.run(options, Path("unused"), told.append)
    assert missing == {}
    assert [who(each) for each in turns] == ["features", *(p.name for p in peers.LOOPS), "bytewax"]
    assert told == turns


@pytest.mark.timeout(300)
def test_memory_is_taken() -> None:
    [held] = memory.run(Options(entities=(20_000,)), lambda _: None)
    assert held.raw == 20_000 * 9 * 16 * 8
    assert held.raw < held.flow < 4 * held.raw
    assert held.redis > held.raw


def test_ratios_are_of_turns_of_one_round() -> None:
    turns = [turn("peers", "features", i, rate) for i, rate in enumerate((100, 10))]
    turns += [turn("peers", "faust", i, rate) for i, rate in enumerate((50, 2))]
    assert of_round(turns, "faust") == pytest.approx([2, 5])


def test_compare_sees_past_the_mood_of_the_machine(tmp_path: Path) -> None:
    rates = {"features": 90_000.0, "bytewax": 30_000.0}
    made = {
        "before": result(rates, 1),
        "same": result(rates, 2),
        "slower": result({**rates, "features": 60_000.0}, 3, memory_=2.0),
    }
    for name, each in made.items():
        save(each, tmp_path / f"{name}.json")
    before, same, slower = (tmp_path / f"{name}.json" for name in made)
    assert not any(change.changed for change in compare_files(before, same).changes)
    changes = compare_files(before, slower).changes
    assert {change.metric for change in changes if change.changed} == {
        "peers: features ÷ bytewax",
        "memory of 10,000 entities ÷ raw tiles",
    }


def test_what_was_promised_is_told_beside_what_was_found_and_a_miss_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"features": 90_000.0, "loop-windows": 100_000.0, "bytewax": 30_000.0, "quix": 30_000.0}
    rates["loop-consume"] = 150_000.0  # no goal
    kept = result({**rates, "bytewax": 20_000.0, "quix": 15_000.0})
    slow, large = result(rates), msgspec.structs.replace(kept, memory=[held(2.1)])
    missed = "missed: features ÷ quix: 3.", "missed: memory of 1,000,000 entities ÷ raw tiles: 2.10"
    for found, code in ((kept, 0), (slow, 1), (large, 1)):
        monkeypatch.setattr("benchmarks.streams.run.run", lambda *_, found=found: found)
        monkeypatch.setattr(terminal, "out", Console(width=140))
        ran = CliRunner().invoke(commands.app, ["streams", "--out", str(tmp_path)])
        assert ran.exit_code == code, ran.output
        assert "≥ 0.6: met" in ran.output
        assert [line in ran.output for line in missed] == [found is slow, found is large]


def held(times: float, entities: int = 1_000_000) -> Memory:
    return Memory(entities=entities, raw=1_000, flow=round(times * 1_000), peak=0, redis=0)


def test_few_turns_and_few_entities_do_not_break_a_promise() -> None:
    slow = result({"features": 30_000.0, "bytewax": 30_000.0}, memory_=3.0)
    assert [line.partition(":")[0] for line in goals.misses(slow)] == ["features ÷ bytewax"]
    few = msgspec.structs.replace(slow, turns=[t for t in slow.turns if t.round < 2])
    assert goals.misses(few) == []


def test_a_part_that_does_not_exist_is_named() -> None:
    given = CliRunner().invoke(commands.app, ["streams", "--only", "pears"], env={"COLUMNS": "200"})
    assert given.exit_code == 2
    assert "'peers', 'flows', 'scaling', 'memory'" in given.output
    assert "did you mean 'peers'?" in given.output


def test_wrong_output_ends_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def wrong(*_: object) -> None:
        raise WrongOutput("features: u1 is 3; expected 4")

    monkeypatch.setattr("benchmarks.streams.run.run", wrong)
    given = CliRunner().invoke(commands.app, ["streams", "--out", str(tmp_path)])
    assert given.exit_code == 1
    assert "u1 is 3; expected 4" in given.output


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(msgspec.json.encode({"kind": "streams"}))
    with pytest.raises(ResultError, match=r"x\.json is no result"):
        stored(path, results.Streams)
