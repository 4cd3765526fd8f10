"""Predictions and labels through join, examples, learners, scores and models."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import REGISTRY

from flows.learning import Learning, Share
from flows.run import run
from infra.terminal import utc
from online_models.training import Training
from schemas.declare import React
from tests.flows.logs import Asked, Log, ask, newest, taught
from tests.online_models.test_reactions import CHALLENGER, QUIET, payments


def write(log: Log, asked: Asked) -> None:
    log.write("predictions", "prediction", asked.predictions, key="id")
    log.write("labels", "label", asked.labels, key="id")


@pytest.mark.parametrize("workers", [1, 2])
def test_examples_scores_and_models_are_those_of_a_bare_loop(log: Log, workers: int) -> None:
    asked = ask(log.domain, 1_500)
    write(log, asked)
    run("learning", log.settings, workers, until_end=True, domain=log.domain)
    wanted = asked.examples(log.domain)
    assert log.read("examples") == wanted
    assert len(wanted) > 900
    scores = log.read("scores")
    assert len(scores) == 3 * len(wanted)
    for spec in log.domain.learners:
        mine = [score for score in scores if score["learner"] == spec.name]
        assert [score["version"] for score in mine] == list(range(len(wanted)))
    assert newest(log.read("models")) == taught(log.domain, log.settings.seed, wanted)
    assert log.read("dead-letters") == []


def test_a_vector_of_another_declaration_is_no_example(log: Log) -> None:
    """Of this one's length, by predictions of another build; of older ones nothing is known."""
    asked = ask(log.domain, 300)
    hashes = ("", log.domain.vector_hash, "0123456789ab")
    for number, record in enumerate(asked.predictions):
        record["vector_hash"] = hashes[number % 3]
    write(log, asked)
    run("learning", log.settings, until_end=True, domain=log.domain)
    other = [r["id"] for r in asked.predictions if r["vector_hash"] == hashes[2]]
    dead = log.read("dead-letters")
    assert sorted(letter["key"].decode() for letter in dead) == sorted(other)
    assert {letter["reason"] for letter in dead} == {"wrong_value"}
    said = f"vector follows declaration 0123456789ab; expected {log.domain.vector_hash}"
    assert all(said in letter["detail"] for letter in dead)
    learned = {example["id"] for example in log.read("examples")}
    assert len(learned) > 100
    assert learned.isdisjoint(other)


def test_a_reaction_to_drift_is_logged_and_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    domain, stream = payments(React("reset"))
    learning = Learning(lambda _, state: Training(domain, CHALLENGER, 1, state), None)
    named = {"learner": "challenger", "reaction": "reset"}
    counted = REGISTRY.get_sample_value("headrace_reactions_total", named) or 0.0
    with caplog.at_level(logging.WARNING):
        (before,), _ = learning.on_batch([Share("challenger", stream[:QUIET])])
        (after,), _ = learning.on_batch([Share("challenger", stream[QUIET:])])
        learning.on_batch([Share("challenger", [])])
    ((reaction, time),) = after.reactions
    assert (before.reactions, reaction) == ([], "reset")
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"challenger reacts to drift: reset, after the example of {utc(time)}"
    assert REGISTRY.get_sample_value("headrace_reactions_total", named) == counted + 1
