"""Provisional labels, through join, examples and learners, whole and killed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from flows.examples import ExamplesOut, Joined
from flows.joined import JoinPart
from flows.run import run
from infra.kafka import OffsetLost
from schemas.declare import MINUTE, Provisional
from tests.flows.logs import Asked, Log, ask, newest, taught
from tests.flows.processes import survive

LARGE = Provisional(
    "large", event="visit", id="user", value="amount", at_least=2.0, label=1.0, weight=0.3
)


def write(log: Log, number: int, seed: int = 1) -> Asked:
    """Predictions, labels, and visits whose user is a prediction's id; a third gives a label."""
    log.domain = replace(log.domain, provisional=(LARGE,))
    asked, draw = ask(log.domain, number, seed), random.Random(seed)
    for p in draw.sample(asked.predictions, number // 2):
        rest = {"latitude": 0.0, "longitude": 0.0, "score": 0.0, "country": "x", "channel": "y"}
        time = p["time"] + draw.randrange(1_000, 30 * MINUTE)
        asked.visits.append({"user": p["id"], "time": time, "amount": draw.uniform(0, 6), **rest})
    asked.visits.sort(key=lambda visit: visit["time"])
    log.write("predictions", "prediction", asked.predictions, key="id")
    log.write("labels", "label", asked.labels, key="id")
    log.write("events", "visit", asked.visits, key="user")
    return asked


def told(examples: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for example in examples for one in example["provisional"]]


def test_provisional_labels_are_learned_in_their_place_and_not_scored(log: Log) -> None:
    asked = write(log, 1_000)
    run("learning", log.settings, workers=2, until_end=True, domain=log.domain)
    wanted = asked.examples(log.domain)
    assert log.read("examples") == wanted
    assert len(told(wanted)) == len(set(told(wanted))) > 120
    assert newest(log.read("models")) == taught(log.domain, log.settings.seed, wanted)
    scores = log.read("scores")
    assert len(scores) == 3 * len(wanted)
    assert {score["id"] for score in scores} == {example["id"] for example in wanted}
    assert log.read("dead-letters") == []


def test_killed_and_restarted(log: Log) -> None:
    asked = write(log, 600, seed=5)
    assert survive("learning", log.settings, log.domain, kills=2, seed=5) >= 1
    wanted = asked.examples(log.domain)
    found: dict[str, dict[str, Any]] = {}
    for example in log.read("examples"):
        found.setdefault(example["id"], example)
    assert list(found.values()) == wanted
    assert newest(log.read("models")) == taught(log.domain, log.settings.seed, wanted)


def test_a_run_after_a_crash_writes_no_label_that_an_earlier_one_wrote(log: Log) -> None:
    """Even where it joins in another order than the run before it, as can be at the live edge."""
    first, second, third = write(log, 300).examples(log.domain)[:3]
    a, b, c, d = ({**first, "id": "x", "vector": first["vector"]} for _ in range(4))
    hints = [
        {"id": i, "time": 1, "source": "large", "label": 1.0, "weight": 0.3, "vector": v["vector"]}
        for i, v in (("early", a), (second["id"], b), ("new", c), (third["id"], d))
    ]
    before = ExamplesOut(log.reading(), None)
    before.write_batch(
        [Joined([{**first, "provisional": hints[:1]}, {**second, "provisional": []}], [])]
    )
    before.snapshot()
    after = ExamplesOut(log.reading(), None)
    after.write_batch(
        [Joined([{**third, "provisional": hints[:3]}, {**first, "provisional": []}], [])]
    )
    after.snapshot()
    assert told(log.read("examples")) == ["early", "new"]


def test_declaring_them_later_needs_a_new_generation(log: Log) -> None:
    plain = JoinPart(log.reading(), None)
    snapshot = plain.snapshot()
    plain.close()
    write(log, 10)
    with pytest.raises(OffsetLost, match="the streams that the domain needs, were changed"):
        JoinPart(log.reading(), snapshot)
