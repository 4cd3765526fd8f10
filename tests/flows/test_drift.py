"""Predictions, examples and scores through the drift flow: the alarms of bare watchers, once."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from flows import alarm_log, drift_commands
from flows import drift as drift_flow
from flows.run import run
from infra import terminal
from online_models.drift.watcher import Watcher, watchers
from schemas.declare import HOUR, MINUTE, SECOND, Domain, Drift
from tests.flows.logs import START, Log, prediction
from tests.flows.processes import survive

NUMBER, CHANGE = 4_000, 2_800
DRIFT = Drift(
    per=HOUR, warm_up=2 * MINUTE, reference=25 * MINUTE, block=MINUTE, records=50, late=SECOND
)


def streams(domain: Domain) -> dict[str, list[dict[str, Any]]]:
    """A prediction a second, its label a little later; on the way inputs and labels change, and
    what positives are answered."""
    draw = random.Random(3)
    predictions, examples, scores = [], [], []
    for i in range(NUMBER):
        made = prediction(domain, f"p{i}", START + i * SECOND, draw)
        made["vector"][0] += 2.0 * (i >= CHANGE)
        made["probability"] = 0.3
        label = float(draw.random() < (0.7 if i >= CHANGE else 0.3))
        copied = ("id", "vector", "probability", "model", "version", "arm", "propensity", "policy")
        example = {name: made[name] for name in (*copied, "slices")}
        example["probability"] -= 0.2 * label * (i >= CHANGE)
        when = {"time": made["time"] + SECOND, "asked": made["time"]}
        predictions.append(made)
        examples.append({**example, **when, "label": label, "origin": "label"})
        for spec in domain.learners:
            score = {"learner": spec.name, "version": i, "probability": 0.3, "label": label}
            scores.append({"id": made["id"], **when, **score})
    return {"predictions": predictions, "examples": examples, "scores": scores}


def write(log: Log) -> dict[str, list[dict[str, Any]]]:
    """The alarms of bare watchers, by watcher."""
    log.domain = replace(log.domain, drift=DRIFT)
    made = streams(log.domain)
    for stream, records in made.items():
        log.write(stream, stream.removesuffix("s"), records, key="id")
    return {w.key: w.take(made[w.stream]) for w in watchers(log.domain, log.settings.seed)}


def by_alarm(records: list[dict[str, Any]]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Each record of an alarm once: what an earlier run wrote may come again."""
    return {(each["id"], each["state"], each["time"]): each for each in records}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_flow_gives_the_alarms_of_bare_watchers(log: Log, workers: int) -> None:
    wanted = write(log)
    run("drift", log.settings, workers, until_end=True, domain=log.domain)
    got = log.read("drift")
    for key, records in wanted.items():
        mine = {record["id"] for record in records}
        assert [record for record in got if record["id"] in mine] == records, key
    assert len(got) == sum(map(len, wanted.values()))
    kinds = {(each["what"], each["name"]): each["kind"] for each in got}
    first = log.domain.vector_names[0]
    assert kinds[("feature", first)] == "covariate"
    assert kinds[("label", "label")] == "label"
    assert kinds[("score", "positives")] == "concept"
    assert {name for what, name in kinds if what == "error"} >= {"served", "logistic"}
    assert log.read("dead-letters") == []
    (alarm, *_) = alarm_log.read(log.settings, log.domain)
    assert alarm_log.read_one(log.settings, log.domain, alarm["id"][:8]) == alarm
    with pytest.raises(alarm_log.UnknownAlarm, match="no alarm 'zz'"):
        alarm_log.read_one(log.settings, log.domain, "zz")


def test_the_command_tells_of_each_alarm_how_strong_it_is(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_commands, "domain_of", lambda _: log.domain)
    monkeypatch.setattr(terminal, "out", Console(width=200))

    def shown(*words: str) -> str:
        done = CliRunner().invoke(
            drift_commands.app, words, obj=log.settings, catch_exceptions=False
        )
        assert done.exit_code == 0
        return " ".join(done.output.split())

    log.domain = replace(log.domain, drift=DRIFT)
    assert "later where a reference of 0.0173611 days has fewer than 550 records" in shown()
    (label,) = [w for w in watchers(log.domain, 1) if w.key == "label"]
    alarm = next(iter(label.take(streams(log.domain)["examples"])))
    log.write("drift", "alarm", [{**alarm, "statistic": 0.5, "threshold": 0.2}], key="id")
    assert "label label │ up │ 2.5×" in shown("--open")
    assert "slice that moved most │ none beyond chance" in shown("show", alarm["id"])
    log.write("drift", "alarm", [{**alarm, "p": None, "state": "closed"}], key="id")
    assert "no open alarms" in shown("--open")
    assert "slice that moved most │ not given by this test" in shown("show", alarm["id"])


def test_killed_and_restarted(log: Log) -> None:
    wanted = write(log)
    assert survive("drift", log.settings, log.domain, kills=3, seed=5) >= 2
    everything = [record for records in wanted.values() for record in records]
    assert by_alarm(log.read("drift")) == by_alarm(everything)


def test_a_watcher_that_is_new_begins_where_the_others_go_on(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an earlier version wrote the recovery store, that knew no such key."""
    log.domain = replace(log.domain, drift=DRIFT)
    made, early = streams(log.domain), NUMBER // 4
    write_part(log, made, slice(early))
    with monkeypatch.context() as earlier:
        earlier.setattr(drift_flow, "watchers", but_positives)
        run("drift", log.settings, until_end=True, domain=log.domain)
    write_part(log, made, slice(early, None))
    run("drift", log.settings, until_end=True, domain=log.domain)
    wanted = []
    for watcher in watchers(log.domain, log.settings.seed):
        first = early if watcher.key == "positives" else 0
        wanted += watcher.take(made[watcher.stream][first:])
    assert by_alarm(log.read("drift")) == by_alarm(wanted)
    assert "positives" in {record["name"] for record in wanted}


def write_part(log: Log, made: dict[str, list[dict[str, Any]]], part: slice) -> None:
    """The records of so many seconds."""
    for stream, records in made.items():
        each = len(records) // NUMBER
        span = slice(each * (part.start or 0), part.stop and each * part.stop)
        log.write(stream, stream.removesuffix("s"), records[span], key="id")


def but_positives(domain: Domain, seed: int) -> list[Watcher]:
    """The watchers of an earlier version."""
    return [watcher for watcher in watchers(domain, seed) if watcher.key != "positives"]


def test_a_score_that_comes_again_counts_once(log: Log) -> None:
    domain = replace(log.domain, drift=DRIFT)
    scores = streams(domain)["scores"]
    once, twice = (
        next(w for w in watchers(domain, 1) if w.key == "error:logistic") for _ in range(2)
    )
    wanted = once.take(scores)
    got = twice.take(scores[:6_000]) + twice.take(scores[5_000:7_000]) + twice.take(scores[7_000:])
    assert got == wanted
    assert wanted
