"""Feast as a peer: what it is asked, and what its answers mean."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from benchmarks.load import bodies
from benchmarks.load.answers import Outcome
from benchmarks.peers import feast_service
from schemas import domains

FLIGHTS = domains.load("flights")


def test_feast_is_asked_for_the_entities_of_the_request() -> None:
    [body, *_] = bodies.of_domain("flights", count=1)
    asked = msgspec.json.decode(feast_service.question(body))
    request = msgspec.json.decode(body)
    assert asked["id"] == "{id}"
    assert asked["entities"]["route"] == [f"{request['origin']}|{request['dest']}"]
    assert list(asked["entities"]) == [entity.name for entity in FLIGHTS.entities]


def feast_answer() -> dict[str, Any]:
    """As Feast answers: keys first, features of a view in an order of its own, null for NaN."""
    names = [entity.name for entity in FLIGHTS.entities]
    results: list[dict[str, Any]] = [{"values": ["a key"]} for _ in names]
    for at, entity in enumerate(FLIGHTS.entities):
        for number, feature in reversed(list(enumerate(entity.features))):
            names.append(f"{entity.name}__{number}_{feature.name}")
            results.append({"values": [None if number == 1 else at + number / 10]})
    return {"results": results, "metadata": {"feature_names": names}}


def test_feasts_features_come_in_the_domains_order() -> None:
    found = feast_service.features_of(feast_answer(), FLIGHTS.entities)
    expected = [
        math.nan if number == 1 else at + number / 10
        for at, entity in enumerate(FLIGHTS.entities)
        for number in range(len(entity.features))
    ]
    assert found == pytest.approx(expected, nan_ok=True)


def test_an_answer_of_feast_that_lacks_a_feature_is_wrong() -> None:
    answer = feast_answer()
    assert feast_service.check(msgspec.json.encode(answer), "1")[0] == Outcome.OK
    answer["results"].pop()
    assert feast_service.check(msgspec.json.encode(answer), "1")[0] == Outcome.WRONG
    assert feast_service.check(b"{}", "1")[0] == Outcome.WRONG
