"""A generation builds its own views of one log, beside those that are there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.run import run
from infra import topics
from infra.kafka import UnknownTopic
from infra.settings import FIRST, Settings, domain_of
from tests.flows.logs import Log, ask, newest


def views(log: Log) -> dict[str, Any]:
    """What learning came to; how its learners take turns, and publish on the way, is no part."""
    scores = sorted(log.read("scores"), key=lambda score: (score["learner"], score["version"]))
    return {
        "examples": log.read("examples"), "scores": scores, "models": newest(log.read("models")),
    }  # fmt: skip


def test_a_second_generation_gives_the_same_and_leaves_the_first_alone(log: Log) -> None:
    asked = ask(log.domain, 600)
    log.write("predictions", "prediction", asked.predictions, key="id")
    log.write("labels", "label", asked.labels, key="id")
    run("learning", log.settings, until_end=True, domain=log.domain)
    first = views(log)
    again = Log(
        log.settings.model_copy(update={"generation": "again"}),
        replace(log.domain, generation="again"),
    )
    run("learning", again.settings, until_end=True, domain=again.domain)
    assert len(first["examples"]) > 300
    assert set(first["models"]) == set(log.domain.learner_names)
    assert views(again) == first
    assert views(log) == first


def test_the_first_generation_has_plain_topics_and_others_their_own_of_views(
    settings: Settings,
) -> None:
    first = domain_of(settings.model_copy(update={"generation": FIRST}))
    second = domain_of(settings.model_copy(update={"generation": "g2"}))
    assert [first.topic(stream) for stream in topics.STREAMS] == [
        f"flights.{stream}" for stream in topics.STREAMS
    ]
    inputs = {"events", "requests", "predictions", "labels", "policies"}
    for stream in topics.STREAMS:
        own = "" if stream in inputs else ".g2"
        assert second.topic(stream) == f"flights.{stream}{own}"


def test_a_generation_without_topics_is_told_which_it_lacks(log: Log) -> None:
    nowhere = replace(log.domain, generation="g9")
    with pytest.raises(
        UnknownTopic, match=rf"no topic {log.domain.name}\.examples\.g9, .*--create"
    ):
        run("learning", log.settings, until_end=True, domain=nowhere)
