from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from unittest.mock import MagicMock

import msgspec
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.compare import compare_files
from benchmarks.comparison import Change
from benchmarks.latency import results
from benchmarks.latency.confidence import Decision
from benchmarks.latency.results import Found, Probe
from benchmarks.latency.results import Options as LatencyOptions
from benchmarks.machine import facts
from benchmarks.peers import alike, compare, goals, ratios, report, run
from benchmarks.peers.run import Options, Peers, Turn
from benchmarks.peers.setup import Peer, PeerError
from benchmarks.storing import load, save
from benchmarks.streams import peers as streaming
from benchmarks.streams.results import Options as StreamOptions
from benchmarks.streams.results import Turn as StreamTurn
from infra import processes

Measure = Callable[..., Peers]
CLOSED = {"headrace": 6_000.0, "echo": 24_000.0, "fastapi": 1_500.0}


@pytest.fixture
def measure() -> Measure:
    """A result whose turns wander by a fifth together, and by 2 % each on its own."""

    def make(seed: int, repeats: int = 4, factor: float = 1.0, **changes: float) -> Peers:
        rng = np.random.default_rng(seed)
        turns = []
        for repeat in range(repeats):
            mood = rng.lognormal(0, 0.2)
            for name, rate in (CLOSED | changes).items():
                own = factor if name == "headrace" else 1.0
                closed = rate * own * mood * rng.lognormal(0, 0.02)
                turns.append(turn(name, repeat, closed, 0.9 * closed))
        return Peers(
            kind=run.PEERS_KIND,
            options=Options(repeats=repeats),
            machine=facts(),
            titles={name: name for name in CLOSED},
            turns=turns,
            missing={},
        )

    return make


def turn(name: str, repeat: int, closed: float, highest: float) -> Turn:
    held = {"200": (1.0, 2.0), "1000": (1.5, 4.0) if closed > 1_000 else None}
    return Turn(name=name, repeat=repeat, at=held, closed=closed, highest=highest, generator=0.5)


def of(changes: list[Change], metric: str) -> Change:
    return next(change for change in changes if change.metric == metric)


def shown(result: Peers) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(report.told(result))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_ratios_are_of_turns_of_the_same_repeat(measure: Measure) -> None:
    result = measure(1)
    assert ratios.times(result, "fastapi", ratios.closed) == pytest.approx([4.0] * 4, rel=0.15)
    assert ratios.floor_shares(result, "headrace") == pytest.approx([0.25] * 4, rel=0.15)


def test_a_repeat_without_one_of_the_two_gives_no_ratio(measure: Measure) -> None:
    result = measure(1)
    kept = [each for each in result.turns if (each.name, each.repeat) != ("fastapi", 2)]
    result = msgspec.structs.replace(result, turns=kept)
    assert len(ratios.times(result, "fastapi", ratios.closed)) == 3


def test_the_machines_mood_alone_is_seldom_called_a_change(measure: Measure) -> None:
    pairs = [compare.compare(measure(seed), measure(seed + 100)) for seed in range(20)]
    assert sum(any(change.changed for change in pair.changes) for pair in pairs) <= 2


def test_a_faster_endpoint_is_called_a_change_in_every_ratio(measure: Measure) -> None:
    found = compare.compare(measure(1), measure(2, factor=1.3))
    assert [change.metric for change in found.changes] == [
        "headrace ÷ floor, closed loop",
        "headrace ÷ fastapi, closed loop",
        "headrace ÷ fastapi, highest",
    ]
    assert all(change.changed and change.low < 1.3 < change.high for change in found.changes)


def test_single_turns_are_told_and_not_judged(measure: Measure) -> None:
    found = compare.compare(measure(1, repeats=1), measure(2, repeats=1, factor=3))
    assert of(found.changes, "headrace ÷ fastapi, highest").ratio == pytest.approx(3, rel=0.2)
    assert not any(change.changed for change in found.changes)
    assert any("fewer than" in note for note in found.notes)


def test_a_peer_that_could_not_run_is_named(measure: Measure) -> None:
    missing = msgspec.structs.replace(measure(2), missing={"feast": "pip said no"})
    found = compare.compare(measure(1), missing)
    assert found.notes == ["feast is missing from the second result: pip said no"]


def test_results_that_were_kept_are_compared(measure: Measure, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        save(measure(seed), tmp_path / f"{name}.json")
    found = compare_files(tmp_path / "a.json", tmp_path / "b.json")
    assert of(found.changes, "headrace ÷ fastapi, closed loop").a == pytest.approx(4, rel=0.15)


def test_the_table_says_who_cannot_hold_a_rate(measure: Measure) -> None:
    told = shown(measure(1, fastapi=500.0))
    assert "cannot hold it" in told
    assert "cannot hold it" not in shown(measure(1))


def streamed(result: Peers, **rates: float) -> Peers:
    """The same with three turns of streams at these rates."""
    turns = [
        StreamTurn(part="peers", name=name, workload="visits", round=number, records=1_000,
                   seconds=1_000 / rate, cpu=0.01)
        for number in range(3)
        for name, rate in rates.items()
    ]  # fmt: skip
    titles = result.titles | {name: name for name in rates}
    return msgspec.structs.replace(result, streams=turns, titles=titles)


def test_one_table_has_servers_and_streams_with_their_goals(measure: Measure) -> None:
    found = streamed(measure(1), features=90_000, bytewax=30_000, quix=45_000)
    names = ["headrace", "echo", "fastapi", "features", "bytewax", "quix"]
    rows = {row.split()[0]: row for row in shown(found).splitlines() if row.split()[:1]}
    assert [name for name in rows if name in names] == names
    assert "≥ 2.5: met" in rows["fastapi"]
    assert "3.00 (3.00 to 3.00)" in rows["bytewax"]
    assert "≥ 3: met" in rows["bytewax"]
    assert "≥ 4: not met" in rows["quix"]
    assert "missed: features ÷ quix: 2.00 (2.00 to 2.00), goal ≥ 4" in shown(found)


def test_an_endpoint_without_any_rate_inside_the_budget_misses_its_goals(measure: Measure) -> None:
    found = measure(1)
    turns = [msgspec.structs.replace(t, highest=0.0) if t.name == "headrace" else t
             for t in found.turns]  # fmt: skip
    [missed] = goals.misses(msgspec.structs.replace(found, turns=turns))
    assert missed == "headrace ÷ fastapi: 0.00 (0.00 to 0.00), goal ≥ 2.5"


def test_streams_are_compared_with_the_servers_and_alone(measure: Measure) -> None:
    before = streamed(measure(1), features=90_000, bytewax=30_000)
    after = streamed(measure(2), features=60_000, bytewax=30_000)
    found = compare.compare(before, after)
    assert [change.metric for change in found.changes if change.changed] == [
        "peers: features ÷ bytewax"
    ]
    assert of(found.changes, "headrace ÷ fastapi, highest").ratio == pytest.approx(1, rel=0.1)
    one, other = (msgspec.structs.replace(each, turns=[]) for each in (before, after))
    assert [change.metric for change in compare.compare(one, other).changes] == [
        "peers: features ÷ bytewax"
    ]


@pytest.mark.parametrize(
    ("only", "parts"),
    [("fastapi", ["servers"]), ("bytewax", ["streams"]), ("", ["streams", "servers"])],
)
def test_the_command_measures_what_is_asked_for_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure: Measure, only: str, parts: list[str]
) -> None:
    told: list[str] = []
    monkeypatch.setattr(run, "servers", lambda *_: told.append("servers"))
    monkeypatch.setattr(run, "streams", lambda *_: told.append("streams"))
    monkeypatch.setattr("benchmarks.own_stack.own_stack", lambda *_, **__: MagicMock())
    given = ["peers", "--out", str(tmp_path), *(["--only", only] if only else [])]
    ran = CliRunner().invoke(app, given)
    assert ran.exit_code == 0, ran.output
    assert told == parts
    kept = load(tmp_path / "peers.json", Peers)
    assert kept.options.peers == ((only,) if only else (*run.SERVERS, *run.STREAMS))


def test_a_peer_that_does_not_exist_is_named() -> None:
    ran = CliRunner().invoke(app, ["peers", "--only", "flink"], env={"COLUMNS": "200"})
    assert ran.exit_code == 2
    assert "'mlserver', 'bentoml', 'feast', 'bytewax', 'quix', 'faust'" in ran.output


def test_streams_of_the_peers_are_those_of_bench_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """The part `peers` of that benchmark is asked, and every turn is kept as it comes."""
    [made] = streamed(run.begin(Options()), bytewax=30_000).streams[:1]

    def measured(
        options: StreamOptions, environments: Path, told: Callable[[StreamTurn], None]
    ) -> tuple[list[StreamTurn], dict[str, str]]:
        assert (options.peers, options.rounds, options.events) == (("bytewax",), 2, 10_000)
        told(made)
        return [made], {"quix": "pip said no"}

    monkeypatch.setattr(streaming, "run", measured)
    found = run.begin(Options(peers=("bytewax",), repeats=2, events=10_000))
    heard: list[StreamTurn] = []
    run.streams(found, Path("unused"), heard.append)
    assert heard == found.streams == [made]
    assert found.missing == {"quix": "pip said no"}


def test_the_line_of_a_turn_says_where_no_rate_was_inside() -> None:
    assert "no rate inside" in report.line(turn("bentoml", 0, 300.0, 0.0))
    assert "inside" not in report.line(turn("echo", 0, 30_000.0, 0.0))
    assert "1,000/s inside" in report.line(turn("fastapi", 0, 1_500.0, 1_000.0))


def test_a_peer_that_answers_wrong_under_load_fails_by_name(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, given = Peer("liar", "Liar"), Options(seconds=0.3, connections=4)
    asked = [b'{"id":"{id}"}']
    for measured in (
        lambda: run._measured(peer, serve("wrong"), asked, given, 0),
        lambda: run._latency(peer, serve("wrong"), asked, 100.0, given, 0),
    ):
        with pytest.raises(PeerError, match=r"liar under load: [\d,]+ wrong answers"):
            measured()
    assert run._latency(peer, serve("constant"), asked, 100.0, given, 0)

    probe = Probe(
        rate=50.0, decision=Decision.INSIDE, p99=1.0, requests=100, overruns=1,
        generator_limited=False, confirming=False, outcomes={"ok": 99, "wrong": 1},
    )  # fmt: skip
    found = Found(inside=50.0, outside=60.0, limited_by_generator=False, probes=[probe])
    searched = results.make(LatencyOptions(), [], None, found)
    monkeypatch.setattr("benchmarks.latency.search.search", lambda *_, **__: searched)
    with pytest.raises(PeerError, match="liar under load: 1 wrong answers to 100 requests"):
        run._highest(peer, "http://nobody/", asked, 100.0, given, 0)


def test_a_peer_that_has_gone_away_is_named() -> None:
    url = f"http://127.0.0.1:{processes.free_port()}/predict"
    with pytest.raises(PeerError, match=f"{url} gives no answer: .*refused"):
        alike._answer(url, b"{}")
