"""Predictions and labels through join, examples, learners, scores and models."""

from __future__ import annotations

import pytest

from flows.run import run
from tests.flows.logs import Asked, Log, ask, newest, taught


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
