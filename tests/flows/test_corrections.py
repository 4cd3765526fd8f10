"""A label that takes the place of another: from the labels topic to what the arms have earned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.examples import ExamplesOut, Joined
from flows.run import run
from online_models.routes.rewards import reward_of
from online_models.routes.route import posteriors_of
from online_models.routes.specs import ANY
from schemas.declare import DAY, MINUTE, Routing
from tests.flows.logs import Asked, Log, ask


def corrected(asked: Asked) -> Asked:
    """Every fifth label is followed, a minute later, by one that says the opposite."""
    others = [
        {**told, "time": told["time"] + MINUTE, "value": 1.0 - told["value"]}
        for told in asked.labels[::5]
    ]
    return replace(asked, labels=sorted([*asked.labels, *others], key=lambda told: told["time"]))


def test_the_reward_is_that_of_the_newest_label(log: Log) -> None:
    routing = Routing(feedback="served", every=5 * MINUTE, half_life=1_000 * DAY)
    log.domain = replace(log.domain, routing=routing)
    asked = corrected(ask(log.domain, 600))
    log.write("predictions", "prediction", asked.predictions, key="id")
    log.write("labels", "label", asked.labels, key="id")
    run("learning", log.settings, until_end=True, domain=log.domain)
    run("routing", log.settings, until_end=True, domain=log.domain)

    examples = log.read("examples")
    assert examples == asked.examples(log.domain)
    labels = {example["id"]: example["label"] for example in examples}
    told = [one for example in examples for one in example["corrections"]]
    assert 50 < len(told) == len({one["id"] for one in told})
    assert all(one["label"] == 1.0 - labels[one["id"]] for one in told)

    route = log.read("routes")[-1]
    tick = route["time"] // routing.every
    settled = [e for e in examples if e["time"] // routing.every < tick]
    labels.update({one["id"]: one["label"] for e in settled for one in e["corrections"]})
    reward = reward_of(log.domain)
    wanted = sum(reward.of(e["probability"], labels[e["id"]], 0.0) for e in settled)
    earned = posteriors_of(route)[ANY].values()
    assert sum(one.total for one in earned) == pytest.approx(wanted, rel=0.01)


def test_a_run_after_a_crash_corrects_nothing_that_an_earlier_one_corrected(log: Log) -> None:
    """Even where a correction goes with another example than in the run before."""
    first, second, third = ask(log.domain, 300).examples(log.domain)[:3]
    old, new = ({"id": "x", "time": time, "label": 1.0} for time in (1, 2))
    before = ExamplesOut(log.reading(), None)
    before.write_batch([Joined([{**first, "corrections": [old]}], [])])
    before.snapshot()
    after = ExamplesOut(log.reading(), None)
    after.write_batch(
        [Joined([first, {**second, "corrections": [old]}, {**third, "corrections": [new]}], [])]
    )
    after.snapshot()
    found = [one for example in log.read("examples") for one in example["corrections"]]
    assert found == [old, new]
