"""The log through the flow gives the route that a bare loop gives, also killed on the way."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import replace
from typing import Any

import pytest

from flows import drift, routing
from flows.run import run
from online_models.drift import watcher
from online_models.routes import exploring
from online_models.routes.earning import Earnings
from online_models.routes.specs import ANY, PolicySpec
from schemas.declare import MINUTE, Domain, React, Routing
from tests.flows.logs import START, Log, ask
from tests.flows.processes import survive

ROUTING = Routing("thompson", every=5 * MINUTE, sticky_for=20 * MINUTE, half_life=60 * MINUTE)


def routed(domain: Domain) -> Domain:
    return replace(domain, routing=ROUTING)


def learned(log: Log, number: int, seed: int = 1, canary: range = range(0)) -> None:
    """Predictions, their examples, and scores of all learners: those of each in order.

    At times (ms) of `canary` the predictions are those of one whose new arm fails.
    """
    log.domain, draw = routed(log.domain), random.Random(seed)
    asked = ask(log.domain, number, seed)
    for one in asked.predictions:
        if one["time"] in canary:
            one |= {"policy": "canary@1", "arm": "tree", "degraded": ["model:base-rate"]}
    log.write("predictions", "prediction", asked.predictions, key="id")
    examples = asked.examples(log.domain)
    log.write("examples", "example", examples, key="id")
    left = {spec.name: deque(examples) for spec in log.domain.learners}
    while any(left.values()):
        learner = draw.choice([name for name, queue in left.items() if queue])
        for _ in range(min(draw.randrange(1, 200), len(left[learner]))):
            score = scored(left[learner].popleft(), learner, draw)
            log.sender.send("scores", "score", score, score["id"])
    log.sender.flush()


def scored(example: dict[str, Any], learner: str, draw: random.Random) -> dict[str, Any]:
    """A score, the nearer to the label the better the learner is."""
    skill = {"base-rate": 0.0, "logistic": 0.8, "tree": 0.4}[learner]
    probability = 0.5 + skill * (example["label"] - 0.5) * draw.random()
    kept = {name: example[name] for name in ("id", "time", "asked", "label")}
    return {**kept, "learner": learner, "version": 0, "probability": probability}


def bare(log: Log) -> dict[str, Any]:
    """All examples first, then all scores: the core does not mind."""
    earnings = Earnings(log.domain, log.settings.seed)
    entries = [("example", record) for record in log.read("examples")]
    entries += [("score", record) for record in log.read("scores")]
    record = earnings.take(entries)
    assert record
    return record


def asked_for(log: Log, spec: PolicySpec) -> None:
    log.sender.send("policies", "policy", spec.record(), spec.logged)
    log.sender.flush()


def newest(log: Log) -> dict[str, Any]:
    return log.read("routes")[-1]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_route_is_that_of_a_bare_loop(log: Log, workers: int) -> None:
    learned(log, 1_200)
    run("routing", log.settings, workers, until_end=True, domain=log.domain)
    wanted, found = bare(log), newest(log)
    assert found == wanted
    assert found["editions"][-1]["policy"] == "thompson@0"
    assert found["editions"][-1]["shares"][ANY]["base-rate"] < 0.1
    assert {each["arm"] for each in found["posteriors"]} == {"base-rate", "logistic", "tree"}
    assert log.read("dead-letters") == []


def test_killed_and_restarted(log: Log) -> None:
    learned(log, 1_000)
    killed = survive("routing", log.settings, log.domain, kills=4, seed=5)
    assert killed >= 2
    assert newest(log) == bare(log)


def test_a_policy_is_taken_up_and_impossible_ones_are_buried(log: Log) -> None:
    learned(log, 1_200)
    right = PolicySpec("split", 1, START + 30 * MINUTE, {"tree": 1.0, "logistic": 3.0}).record()
    wrong = {**right, "version": 2, "name": "sprit"}
    unsure = {**right, "version": 3, "arms": [{"arm": "tree", "share": math.nan}]}
    twice = {**right, "version": 4, "arms": right["arms"] * 2}
    for record in (right, wrong, unsure, twice):
        log.sender.send("policies", "policy", record, None)
    log.sender.flush()
    run("routing", log.settings, until_end=True, domain=log.domain)
    details = [letter["detail"] for letter in log.read("dead-letters")]
    for detail, said in zip(details, ("did you mean 'split'", "finite", "twice"), strict=True):
        assert said in detail
    found = newest(log)
    assert (found["policy"], found["version"]) == ("split", 1)
    assert found["editions"][-1]["shares"] == {ANY: {"tree": 0.25, "logistic": 0.75}}


def test_policies_are_taken_up_when_they_begin_wherever_they_stand(log: Log) -> None:
    """On a replay all of them stand before what came in their time: the first leads to the second.

    The canary has to retreat before the split comes.
    """
    begins = [START + 5 * MINUTE, START + 12 * MINUTE]
    log.domain, arms = routed(log.domain), {"base-rate": 1.0, "tree": 1.0}
    for version, name in enumerate(("canary", "split"), 1):
        asked_for(log, PolicySpec(name, version, begins[version - 1], arms))
    learned(log, 1_200, canary=range(*begins))
    run("routing", log.settings, until_end=True, domain=log.domain, batch=200)
    found = log.read("routes")
    assert ["tree"] in [each["withdrawn"] for each in found if each["version"] == 1]
    assert found[-1]["editions"][-1]["policy"] == "split@2"


def test_a_new_generation_begins_with_the_policies_of_the_first(log: Log) -> None:
    """Its examples and scores are its own; here those of the first are copied."""
    learned(log, 1_200)
    arms = {"tree": 1.0, "logistic": 3.0}
    asked_for(log, PolicySpec("split", 1, START + 10 * MINUTE, arms))
    run("routing", log.settings, until_end=True, domain=log.domain)
    again = Log(
        log.settings.model_copy(update={"generation": "again"}),
        replace(log.domain, generation="again"),
    )
    again.write("examples", "example", log.read("examples"), key="id")
    again.write("scores", "score", log.read("scores"), key="id")
    run("routing", again.settings, until_end=True, domain=again.domain, batch=333)
    assert newest(again)["policy"] == "split"
    assert newest(again) == newest(log)


def test_it_explores_by_the_very_watch_that_shows_the_alarms(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []
    for module in (exploring, watcher):
        monkeypatch.setattr(module, "ArmWatch", lambda *given: made.append(given))
    log.settings = log.settings.model_copy(update={"seed": 7})
    log.domain = replace(log.domain, drift=replace(log.domain.drift, reactions=(React("explore"),)))
    routing.Steps(log.reading()).earning(None)
    [asked] = made
    drift.Steps(log.reading())
    assert asked in made[1:]
