"""A canary goes up stage by stage, and out when it fails, is slower or earns less."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from online_models.routes.canary import PROMOTED, RETREATED, RUNNING, Canary
from online_models.routes.earning import Earnings, Entry
from online_models.routes.route import route_of
from online_models.routes.specs import ANY, PolicySpec
from tests.online_models.test_routing import START, domain_of, example

SPEC = PolicySpec(
    "canary", 3, START, {"logistic": 1.0, "tree": 1.0}, {"answers": 40.0, "rewards": 0.0}
)


def answer(number: int, arm: str = "tree", ms: float = 1.0, failed: bool = False) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "time": START + number * 60_000,
        "policy": SPEC.logged,
        "arm": arm,
        "degraded": ["model:base-rate"] if failed else [],
        "model_ms": ms,
    }


def test_goes_through_its_stages_and_is_promoted() -> None:
    canary, stages = Canary(SPEC), []
    for number in range(170):
        if canary.prediction(answer(number)):
            stages.append((number, canary.stage, canary.outcome))
    assert stages == [(39, 1, RUNNING), (79, 2, RUNNING), (119, 3, RUNNING), (159, 3, PROMOTED)]


def test_a_stage_waits_for_rewards_that_come_late() -> None:
    """All answers of a day come before its first reward: the new arm stays at 1 %."""
    canary = Canary(replace(SPEC, options={"answers": 40.0, "rewards": 60.0}))
    for number in range(500):
        canary.prediction(answer(number))
    assert (canary.stage, canary.outcome) == (0, RUNNING)
    turned = [number for number in range(100) if canary.reward("tree", 1.0)]
    assert (turned, canary.stage, canary.answers) == ([59], 1, 0)
    canary.reward("tree", 1.0, -1.0)
    assert canary.paid == 39


def test_a_new_arm_that_loses_is_out_before_it_answers_all() -> None:
    """Rewards come 200 answers late; the stages of the answers alone would be over by then."""
    draw, canary = random.Random(2), Canary(replace(SPEC, options={"answers": 40.0}))
    for number in range(1_000):
        canary.prediction(answer(number))
        if number >= 200:
            canary.reward("tree", draw.gauss(-0.8, 1))
            canary.reward("logistic", draw.gauss(0, 1))
    assert (canary.outcome, canary.stage) == (RETREATED, 0)


def test_other_arms_and_other_policies_do_not_count() -> None:
    canary = Canary(SPEC)
    for number in range(200):
        canary.prediction(answer(number, arm="logistic"))
        canary.prediction({**answer(number), "policy": "canary@2"})
    assert (canary.stage, canary.answers) == (0, 0)


@pytest.mark.parametrize(("rate", "ends"), [(0.01, PROMOTED), (0.2, RETREATED)])
def test_failures(rate: float, ends: str) -> None:
    draw, canary = random.Random(1), Canary(SPEC)
    for number in range(200):
        canary.prediction(answer(number, failed=draw.random() < rate))
    assert canary.outcome == ends
    assert ("failed" in canary.reason) == (ends == RETREATED)


@pytest.mark.parametrize(
    ("usual", "ms", "ends"),
    [(1.5, 15.0, RETREATED), (12.0, 15.0, RUNNING), (0.1, 3.0, RUNNING)],
)
def test_slow_answers(usual: float, ms: float, ends: str) -> None:
    """Beside the arm in service, by times at which no watchdog stops a model."""
    canary = Canary(SPEC)
    for number in range(40):
        canary.prediction(answer(number, ms=ms))
        canary.prediction(answer(1_000 + number, arm="logistic", ms=usual))
    assert (canary.outcome, canary.withdrawn == ("tree",)) == (ends, ends == RETREATED)
    said = "took 15.0 ms on average, those of logistic 1.5 ms"
    assert (said in canary.reason) == (ends == RETREATED)


@pytest.mark.parametrize(("lead", "ends"), [(0.05, RUNNING), (0.0, RUNNING), (-0.4, RETREATED)])
def test_rewards(lead: float, ends: str) -> None:
    draw, canary = random.Random(2), Canary(SPEC)
    for _ in range(300):
        canary.reward("tree", lead + draw.gauss(0, 1))
        canary.reward("logistic", draw.gauss(0, 1))
    assert canary.outcome == ends


def test_a_retreat_reaches_every_unit_at_once_and_a_stage_reaches_new_ones() -> None:
    domain = domain_of(sticky=("flight",))
    flow, draw = Earnings(domain, 1), random.Random(4)
    flow.take([("policy", SPEC.record())])
    up = flow.take([("prediction", answer(n)) for n in range(80)])
    assert up
    assert [edition["shares"][ANY]["tree"] for edition in up["editions"]] == [0.01, 0.05, 0.25]
    bad: list[Entry] = []
    for number in range(60):
        one = example(domain, number, draw, policy=SPEC.logged)
        bad.append(("example", one))
        wrong = {"id": one["id"], "learner": "tree", "probability": 1 - one["label"]}
        right = {"id": one["id"], "learner": "logistic", "probability": 0.3}
        bad += [("score", wrong), ("score", right)]
    down = flow.take(bad)
    assert down
    assert (down["outcome"], down["withdrawn"]) == (RETREATED, ["tree"])
    assert "earns" in down["reason"]
    route = route_of(domain, down, [SPEC])
    assert route
    for number in range(200):
        chosen = route.choose({"flight": f"UA{number}"}, START + 90 * 60_000, {"logistic", "tree"})
        assert chosen
        assert (chosen.arm, chosen.propensity) == ("logistic", 1.0)


def test_a_declared_canary_goes_up_too() -> None:
    domain = domain_of(
        policy="canary",
        arms=("logistic", "tree"),
        options={"answers": 40.0, "rewards": 0.0},
        feedback="served",
    )
    flow = Earnings(domain, 1)
    answers = [("prediction", {**answer(n), "policy": "canary@0"}) for n in range(45)]
    record = flow.take(answers)
    assert record
    assert (record["stage"], record["outcome"]) == (1, RUNNING)
    assert record["editions"][-1]["shares"][ANY]["tree"] == pytest.approx(0.05)
