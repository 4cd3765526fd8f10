"""Judging from a log: what is known is estimated, what stays hidden is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from online_models.routes.intervals import Unsupported
from online_models.routes.judging import Logged
from online_models.routes.policies import PolicyError
from online_models.routes.specs import PolicySpec, checked
from schemas.declare import Domain, LogScore, Routing, Stopping
from schemas.domains import load

PAYMENTS = load("payments")
ARMS = ("logistic", "tree")
WAYS = ["as served", "SNIPS", "doubly robust", "by all arms' scores"]


def domain_of(let_through: float) -> Domain:
    reward = Stopping("amount", cost=5.0, threshold=0.5, let_through=let_through)
    return replace(PAYMENTS, routing=Routing(reward=reward, feedback="served"))


def log_of(domain: Domain, number: int = 6_000) -> Logged:
    """A fraud of 100 in five, which the tree stops and logistic does not; A/B, a tenth let by."""
    draw, examples, scores = random.Random(3), [], []
    vector = [100.0] * len(domain.vector_names)
    for i in range(number):
        arm, fraud = draw.choice(ARMS), draw.random() < 0.2
        stops = arm == "tree" and fraud
        if stops and draw.random() >= 0.1:
            continue
        example: dict[str, Any] = {
            "id": f"e{i}",
            "time": i,
            "asked": i,
            "vector": vector,
            "label": float(fraud),
            "probability": 0.9 if stops else 0.1,
            "arm": arm,
            "policy": "split@1",
            "propensity": 0.5,
            "unit": f"u{i}",
            "seen": 0.1 if stops else 1.0,
            "slices": {"kind": "food", "country": "BE"},
        }
        examples.append(example)
        said = {"logistic": 0.1, "tree": 0.9 if fraud else 0.1}
        scores += [{"id": f"e{i}", "learner": a, "probability": p} for a, p in said.items()]
    return Logged.of(domain, examples, scores)


def test_every_way_finds_what_an_arm_earns() -> None:
    logged = log_of(domain_of(0.1))
    target = logged.target(checked(logged.domain, PolicySpec("fixed", 0, 0, {"tree": 1.0})), 1)
    judged = {one.way: one.estimate for one in logged.judge(target, 0.99)}
    assert list(judged) == WAYS
    for way, estimate in judged.items():
        assert estimate, way
        wanted = 20.0 if way != "as served" else 10.0
        assert estimate.low <= wanted <= estimate.high, way
        assert estimate.high - estimate.low < 15, way


def test_a_log_that_could_not_choose_the_arm_at_first_is_judged_since_it_could() -> None:
    """Logistic alone answered the first half; frauds of that half were worth ten times as much."""
    logged = log_of(domain_of(0.1), 12_000)
    half = 6_000
    early = [
        {**one, "propensity": 1.0, "vector": [1_000.0] * len(one["vector"])}
        for one in logged.examples
        if one["asked"] < half and one["arm"] == "logistic"
    ]
    late = [one for one in logged.examples if one["asked"] >= half]
    whole = Logged.of(logged.domain, [*early, *late], logged.scores)
    spec = checked(logged.domain, PolicySpec("fixed", 0, 0, {"tree": 1.0}))
    refused = {one.way: one for one in whole.judge(whole.target(spec, 1), 0.95)}
    for way in ("SNIPS", "doubly robust"):
        assert refused[way].estimate is None
        assert "could not choose" in refused[way].why
    since = Logged.of(logged.domain, [*early, *late], logged.scores, half)
    assert (len(since.examples), len(since.history)) == (len(late), len(late) + len(early))
    for one in since.judge(since.target(spec, 1), 0.99):
        assert one.estimate, one
        assert one.estimate.low <= (10.0 if one.way == "as served" else 20.0) <= one.estimate.high
    with pytest.raises(Unsupported, match="since then"):
        Logged.of(logged.domain, late, logged.scores, 12_001)


def test_an_answer_is_judged_by_the_newest_label() -> None:
    """As if it had come first, whichever example brought it."""
    logged = log_of(domain_of(0.1))
    target = logged.target(checked(logged.domain, PolicySpec("fixed", 0, 0, {"tree": 1.0})), 1)
    told = [
        {"id": one["id"], "time": time, "label": label}
        for one in logged.examples[:500]
        for time, label in ((8_000, one["label"]), (7_000, 1.0 - one["label"]))
    ]
    first = [{**one, "label": 1.0 - one["label"]} for one in logged.examples[:500]]
    last = {**logged.examples[-1], "corrections": told}
    log = [*first, *logged.examples[500:-1], last]
    corrected = Logged.of(logged.domain, log, logged.scores)
    assert corrected.judge(target, 0.95) == logged.judge(target, 0.95)
    assert [one["label"] for one in corrected.history[:500]] == [one["label"] for one in first]


def test_scores_that_have_learned_since_do_not_stand_for_answers() -> None:
    """When labels come the tree has learned of the frauds that it let pass when it was asked."""
    logged = log_of(domain_of(0.1))
    spec = checked(logged.domain, PolicySpec("fixed", 0, 0, {"tree": 1.0}))
    slow = [
        {**one, "probability": 0.1} if one["arm"] == "tree" and one["time"] % 3 else one
        for one in logged.examples
    ]
    late = Logged.of(logged.domain, slow, logged.scores)
    judged = {one.way: one for one in late.judge(late.target(spec, 1), 0.95)}
    assert judged["SNIPS"].estimate
    assert judged["by all arms' scores"].estimate is None
    assert "which is too late" in judged["by all arms' scores"].why


def test_nothing_is_estimated_where_what_is_stopped_never_comes_to_light() -> None:
    logged = log_of(domain_of(0.0))
    target = logged.target(checked(logged.domain, PolicySpec("fixed", 0, 0, {"tree": 1.0})), 1)
    judged = logged.judge(target, 0.95)
    assert [one.way for one in judged] == WAYS
    assert all(one.estimate is None and "let_through" in one.why for one in judged)


def test_a_domain_that_stops_nothing_hides_nothing() -> None:
    domain = replace(PAYMENTS, routing=Routing(reward=LogScore()))
    logged = log_of(domain)
    target = logged.target(checked(domain, PolicySpec("split", 0, 0, dict.fromkeys(ARMS, 1.0))), 1)
    assert all(one.estimate for one in logged.judge(target, 0.95))


def test_a_canary_cannot_be_judged_whole() -> None:
    logged = log_of(domain_of(0.1))
    spec = checked(logged.domain, PolicySpec("canary", 0, 0, dict.fromkeys(ARMS, 1.0)))
    with pytest.raises(PolicyError, match="--arm"):
        logged.target(spec, 1)
