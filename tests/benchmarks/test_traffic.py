"""What is sent beside the questions, into a real log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.compare import compare_files
from benchmarks.freshness import delays
from benchmarks.freshness import run as freshness
from benchmarks.freshness.delays import FreshnessError
from benchmarks.freshness.probes import Probes, marker_of
from benchmarks.latency import places
from benchmarks.latency.results import Options
from benchmarks.machine import facts
from benchmarks.own_stack import own_stack
from benchmarks.storing import save
from benchmarks.traffic import Events, Labels, TrafficError
from infra import inspection, topics
from infra.settings import Settings
from schemas import dataset
from schemas.dataset import Stamped
from schemas.declare import Domain

AT = 1_357_000_000_000


@pytest.fixture
def log(settings: Settings, domain: Domain) -> Domain:
    topics.create_topics(settings, domain)
    return domain


def shipped(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The first events of the flights as the data set of whatever domain."""
    first: list[Stamped] = []
    for item in dataset.load("flights").replay(days=2):
        if item.stream == "events" and len(first) < count:
            first.append(item)

    class Shipped:
        def replay(self, seed: int) -> Iterator[Stamped]:
            return iter(first)

    monkeypatch.setattr(dataset, "load", lambda name: Shipped())


def test_events_flow_at_their_rate_with_what_is_sent_beside(
    settings: Settings, log: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped(monkeypatch, 2_000)
    made = []

    def also(number: int, event: Stamped) -> Stamped | None:
        made.append(number)
        return event if number % 10 == 0 else None

    events = Events(settings, log, 300, 1, also)
    events.send_at_once(100)
    with events:
        events.wait_for(1.5)
        events.stop()
    sent = [record["time"] for record in inspection.read(settings, log, "events")]
    assert 200 < events.rate() < 400
    assert made == list(range(len(made)))
    assert len(sent) == 100 + events.count
    assert events.count == len(made) + (len(made) + 9) // 10
    assert events.time == max(sent)


def test_a_data_set_that_ends_is_no_background(
    settings: Settings, log: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped(monkeypatch, 5)
    with Events(settings, log, 1_000, 1) as events, pytest.raises(TrafficError, match="no more"):
        events.wait_for(5)


def test_labels_are_sent_for_the_answers_that_are_logged_from_now_on(
    settings: Settings, log: Domain
) -> None:
    def answer(name: str) -> None:
        labels.sender.send("predictions", "prediction", prediction(name), name)
        labels.sender.flush()

    labels = Labels(settings, log, 500, 1)
    answer("before")
    with labels:
        time.sleep(1.5)
        for number in range(20):
            answer(f"id-{number}")
        deadline = time.monotonic() + 10
        while labels.count < 20 and time.monotonic() < deadline:
            labels.wait_for(0.05)
        labels.stop()
    told = {r["id"]: r for r in inspection.read(settings, log, "labels")}
    assert {f"id-{number}" for number in range(20)} <= set(told)
    assert all(each["time"] == AT + 1 and each["value"] in (0, 1) for each in told.values())


def prediction(name: str) -> dict[str, Any]:
    return {
        "id": name, "time": AT, "vector": [0.0], "probability": 0.5, "model": "m", "version": 1,
        "arm": "m", "propensity": 1.0, "policy": "fixed", "degraded": [], "positions": [],
        "slices": {},
    }  # fmt: skip


def test_a_probe_that_never_arrives_is_not_a_fresh_one(
    settings: Settings, domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delays, "PATIENCE", 0.2)
    marker = marker_of(domain)
    event = Stamped(AT, "events", marker.event, {marker.key: "x", marker.value: 1.0})
    with Probes(settings, domain, 2) as probes:
        probes.begin()
        first, second = probes.make(0, event), probes.make(1, event)
        assert first is not None
        assert second is None
        assert first.record[marker.key] != "x"
        with pytest.raises(FreshnessError, match="1 of 1 probes never"):
            probes.finish()


def test_freshness_is_compared_beyond_noise(tmp_path: Path) -> None:
    def made(factor: float, seed: int) -> freshness.Freshness:
        rng = np.random.default_rng(seed)
        began = np.sort(rng.random(3_000) * 30)
        found = delays.delay(began, began + factor * rng.lognormal(-4, 0.5, 3_000))
        return freshness.Freshness(
            kind="freshness", options=freshness.Options(), machine=facts(), domain="flights",
            events_per_s=1_000.0, event_servable=found, label_serving=found, due=None, versions=9,
            questions={"ok": 1}, resolution_ms={"event": 1.0},
        )  # fmt: skip

    for name, factor, seed in (("a", 1.0, 1), ("b", 1.0, 2), ("c", 1.5, 3)):
        save(made(factor, seed), tmp_path / name)
    same, slower = (compare_files(tmp_path / "a", tmp_path / name) for name in ("b", "c"))
    assert not any(change.changed for change in same.changes)
    assert all(change.changed for change in slower.changes)
    ran = CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "c")])
    assert "event → servable p99" in ran.output


@pytest.mark.parametrize(
    ("options", "own", "why"),
    [
        (Options(url="http://x/predict", events_rate=5), False, "stack of their own"),
        (Options(url="http://x/predict"), True, "not both"),
    ],
)
def test_nothing_is_sent_to_an_endpoint_elsewhere(
    settings: Settings, options: Options, own: bool, why: str
) -> None:
    with pytest.raises(ValueError, match=why), places.endpoint(settings, options, own):
        pass


@pytest.mark.slow
def test_latency_while_everything_runs(tmp_path: Path) -> None:
    given = ["latency", "--rate", "100", "--seconds", "15", "--events-rate", "100"]
    given += ["--labels-rate", "90", "--budget", "500", "--out", str(tmp_path)]
    ran = CliRunner().invoke(app, given)
    assert ran.exit_code in (0, 2), ran.output
    told = msgspec.json.decode((tmp_path / "latency.json").read_bytes())
    assert told["sent"]["events_per_s"] == pytest.approx(100, rel=0.2)
    assert told["sent"]["labels_per_s"] > 50
    assert "events at 100/s and labels at 90/s" in told["options"]["background"]
    assert len(told["runs"][0]["swaps"]) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flights", "payments"])
def test_freshness_of_every_domain_that_ships_data(name: str, tmp_path: Path) -> None:
    """Payments learn nothing before the deadline of the first question has passed."""
    with own_stack(Settings(home=tmp_path / "home", domain=name), 200.0) as alone:
        few = freshness.Options(events_rate=200, seconds=5, labels=500)
        found = freshness.run(alone.settings, few)
    assert found.event_servable.count > 50
    assert found.label_serving.count == 500
    assert found.versions >= 2
