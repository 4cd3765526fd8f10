from __future__ import annotations

import math
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from benchmarks.compare import compare_files
from benchmarks.comparison import Change
from benchmarks.latency import results
from benchmarks.latency.confidence import Decision
from benchmarks.latency.results import Found, Probe
from benchmarks.latency.results import Options as LatencyOptions
from benchmarks.load import bodies
from benchmarks.load.answers import Outcome
from benchmarks.machine import facts
from benchmarks.peers import compare, feast_service, ratios, report, run
from benchmarks.peers.run import Options, Peers, Turn
from benchmarks.peers.setup import Peer, PeerError
from benchmarks.storing import save
from schemas import domains

FLIGHTS = domains.load("flights")
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


def test_feast_is_asked_for_the_entities_of_the_request() -> None:
    [body, *_] = bodies.of_domain("flights", count=1)
    asked = msgspec.json.decode(feast_service.question(body))
    request = msgspec.json.decode(body)
    assert asked["id"] == "{id}"
    assert asked["entities"]["route"] == [f"{request['origin']}|{request['dest']}"]
    assert list(asked["entities"]) == [entity.name for entity in FLIGHTS.entities]


def feast_answer() -> dict[str, Any]:
    """As Feast answers: keys first, features of a view in an order of its own, null for NaN."""
    names = [entity.name for entity in FLIGHTS.entities]
    results: list[dict[str, Any]] = [{"values": ["a key"]} for _ in names]
    for at, entity in enumerate(FLIGHTS.entities):
        for number, feature in reversed(list(enumerate(entity.features))):
            names.append(f"{entity.name}__{number}_{feature.name}")
            results.append({"values": [None if number == 1 else at + number / 10]})
    return {"results": results, "metadata": {"feature_names": names}}


def test_feasts_features_come_in_the_domains_order() -> None:
    found = feast_service.features_of(feast_answer(), FLIGHTS.entities)
    expected = [
        math.nan if number == 1 else at + number / 10
        for at, entity in enumerate(FLIGHTS.entities)
        for number in range(len(entity.features))
    ]
    assert found == pytest.approx(expected, nan_ok=True)


def test_an_answer_of_feast_that_lacks_a_feature_is_wrong() -> None:
    answer = feast_answer()
    assert feast_service.check(msgspec.json.encode(answer), "1")[0] == Outcome.OK
    answer["results"].pop()
    assert feast_service.check(msgspec.json.encode(answer), "1")[0] == Outcome.WRONG
    assert feast_service.check(b"{}", "1")[0] == Outcome.WRONG


def test_the_line_of_a_turn_says_where_no_rate_was_inside() -> None:
    assert "no rate inside" in report.turn_line(turn("bentoml", 0, 300.0, 0.0))
    assert "inside" not in report.turn_line(turn("echo", 0, 30_000.0, 0.0))
    assert "1,000/s inside" in report.turn_line(turn("fastapi", 0, 1_500.0, 1_000.0))


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
