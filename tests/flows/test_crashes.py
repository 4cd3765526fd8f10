"""Flows killed with SIGKILL at seeded random moments end where an uninterrupted run ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import redis

from benchmarks.demo.replay import Replay
from benchmarks.proofs import parity
from benchmarks.workloads import visits
from flows.run import run
from infra.settings import Settings
from infra.stack import ENDPOINT, Stack
from online_models.joining import Example
from schemas import domains
from schemas.dataset import load
from schemas.declare import HOUR, MINUTE, Domain, Label, Unlabelled
from tests.flows.logs import Asked, Log, ask, newest, taught
from tests.flows.processes import Storm, survive


def content(settings: Settings, domain: Domain, generation: str) -> dict[str, bytes]:
    """All that Redis holds of a generation, by key without its name."""
    client: Any = redis.Redis.from_url(settings.redis_url)
    prefix = f"hr:{{{domain.name}:{generation}:"
    keys = sorted(client.scan_iter(f"{prefix}*", count=5_000))
    values = client.mget(keys)
    client.close()
    return {k.decode().removeprefix(prefix): v for k, v in zip(keys, values, strict=True)}


def features_survive(log: Log, events: int, kills: int, seed: int, workers: int) -> int:
    log.write("events", "visit", visits(events, seed), key="user")
    whole = log.settings.model_copy(update={"generation": "whole"})
    broken = log.settings.model_copy(update={"generation": "broken"})
    run("features", whole, until_end=True, domain=log.domain)
    killed = survive("features", broken, log.domain, kills, seed, workers)
    wanted = content(log.settings, log.domain, "whole")
    assert len(wanted) > 500
    assert content(log.settings, log.domain, "broken") == wanted
    return killed


def learning_survives(log: Log, predictions: int, kills: int, seed: int, workers: int) -> int:
    """Every prediction ends as one example: by its label, or by its deadline."""
    log.domain = replace(log.domain, label=Label(HOUR, Unlabelled.NEGATIVE))
    asked = ask(log.domain, predictions, seed)
    asked.labels.append({"id": "z", "time": asked.labels[-1]["time"] + 3 * HOUR, "value": 0.0})
    log.write("predictions", "prediction", asked.predictions, key="id")
    log.write("labels", "label", asked.labels, key="id")
    killed = survive("learning", log.settings, log.domain, kills, seed, workers)
    wanted = joined(log)
    assert {example["id"] for example in wanted} == {p["id"] for p in asked.predictions}
    assert unique(log.read("examples"), "id") == wanted
    models = taught(log.domain, log.settings.seed, wanted)
    assert newest(log.read("models")) == models
    scores = unique(log.read("scores"), "learner", "id")
    assert len(scores) == len(wanted) * len(log.domain.learners)
    return killed


def joined(log: Log) -> list[Example]:
    """What a plain loop joins; records of one time in the order of their partitions."""
    return Asked(log.read("predictions"), log.read("labels")).examples(log.domain)


def settled(example: Example) -> Example:
    """Without the provisional labels, which depend on how far the events had come."""
    return {**example, "provisional": []}


def unique(records: list[dict[str, Any]], *fields: str) -> list[dict[str, Any]]:
    """The first of each."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in records:
        found.setdefault(tuple(record[field] for field in fields), record)
    return list(found.values())


def test_features_killed_and_restarted(log: Log) -> None:
    assert features_survive(log, 5_000, kills=4, seed=5, workers=1) >= 2


def test_learning_killed_and_restarted(log: Log) -> None:
    assert learning_survives(log, 1_500, kills=4, seed=5, workers=1) >= 2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("workers", [1, 2])
def test_features_in_a_storm(log: Log, workers: int, seed: int) -> None:
    assert features_survive(log, 60_000, kills=25, seed=seed, workers=workers) >= 10


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("workers", [1, 2])
def test_learning_in_a_storm(log: Log, workers: int, seed: int) -> None:
    assert learning_survives(log, 12_000, kills=25, seed=seed, workers=workers) >= 10


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
def test_a_served_replay_in_a_storm(tmp_path: Path, seed: int) -> None:
    """Flights through a whole stack, both flows killed meanwhile: state, examples and vectors."""
    domain, stream = domains.load("flights"), list(load("flights").replay(days=2))
    asked = {each.record["id"]: each.record for each in stream if each.stream == "requests"}
    with Stack(Settings(home=tmp_path / "home", http_port=0), flows=()) as stack:
        settings = stack.settings
        storms = [Storm(name, settings, domain, seed, kills=5) for name in ("features", "learning")]
        with storms[0], storms[1]:
            done = asyncio.run(Replay(settings, domain).run(stream, 15 * MINUTE))
        stack.stop(ENDPOINT)
        for storm in storms:
            assert storm.killed >= 5
            storm.finish()
        whole = settings.model_copy(update={"generation": "whole"})
        run("features", whole, until_end=True, domain=domain)
        wanted = content(settings, domain, "whole")
        assert len(wanted) > 1_000
        assert content(settings, domain, settings.generation) == wanted
        log = Log(settings, domain)
        examples = [settled(example) for example in joined(log)]
        assert len(examples) == done.expected.known > 1_000
        found = [settled(example) for example in unique(log.read("examples"), "id")]
        key = itemgetter("id")
        assert repr(sorted(found, key=key)) == repr(sorted(examples, key=key))  # NaN equals NaN
        scores = {(score["learner"], score["id"]) for score in log.read("scores")}
        assert len(scores) == len(examples) * len(domain.learners)
        compared = parity.check(settings, domain, asked)
        assert not compared.different_values, compared.differences
        assert compared.vectors > 0.7 * done.answers
