"""A stack in pieces, as the flow has it, publishes what the whole learner would."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from online_models.export import run_graph
from online_models.learners import make
from online_models.stacking import Said, StackTraining, said
from online_models.training import Training
from schemas import domains
from schemas.declare import DeclarationError, Domain, LearnerSpec, Publishing
from tests.online_models.made import stream

PARTS = (LearnerSpec("a", "logistic"), LearnerSpec("b", "base_rate"))
STACK = LearnerSpec("both", "stack", options={"parts": ("a", "b")})


@pytest.fixture
def domain() -> Domain:
    flights = domains.load("flights")
    rule = Publishing(examples=40, time=10**12)
    return replace(flights, learners=(*PARTS, STACK), served="both", publishing=rule)


def examples(count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"e{i}", "time": i, "asked": i, "vector": v, "label": y, "slices": {"carrier": "UA"}}
        for i, (v, y) in enumerate(stream(600)[:count])
    ]


def test_pieces_are_the_whole(domain: Domain) -> None:
    whole = make(STACK, domain, seed=1)
    expected = [whole.score_then_learn(e["vector"], e["label"]) for e in examples(200)]
    parts = {spec.name: Training(domain, spec, seed=1) for spec in PARTS}
    stack = StackTraining(domain, STACK, seed=1)
    found, newest = [], None
    for start in range(0, 200, 25):
        batch = examples(200)[start : start + 25]
        given = [said(training.take(batch), name) for name, training in parts.items()]
        pieces: list[tuple[list[dict[str, Any]], list[Said]]] = [
            (batch, []),
            ([], given[:1]),
            ([], given[1:]),
        ]
        for offered, spoken in pieces:
            taken = stack.offer(offered, spoken)
            found += [score["probability"] for score in taken.scores]
            newest = taken.snapshot or newest
        stack = StackTraining(domain, STACK, 1, pickle.loads(pickle.dumps(stack.state)))
    assert found == expected
    assert newest is not None
    assert newest["version"] == 200
    assert newest["onnx"] == whole.export()
    assert newest["difference"] < 1e-9
    assert stack.state.graphs == {"a": {}, "b": {}}


def test_a_version_that_a_part_skipped_is_left_out(domain: Domain) -> None:
    parts = {spec.name: Training(domain, spec, seed=1) for spec in PARTS}
    stack = StackTraining(domain, STACK, seed=1)
    batch = examples(100)
    first = [said(parts["a"].take(batch[:50]), "a"), said(parts["a"].take(batch[50:]), "a")]
    late = said(parts["b"].take(batch), "b")  # published 80 only
    assert stack.offer(batch, first[:1]).snapshot is None
    early = late._replace(probabilities=late.probabilities[:50])
    assert stack.offer([], [early]).snapshot is None
    rest = late._replace(probabilities=late.probabilities[50:], graph=None)
    taken = stack.offer([], [rest, first[1]])
    assert taken.snapshot is not None
    assert taken.snapshot["version"] == 80
    vectors = [example["vector"] for example in batch[:5]]
    assert run_graph(taken.snapshot["onnx"], vectors).shape == (5,)


def test_cards_carry_slices(domain: Domain) -> None:
    training = Training(domain, PARTS[0], seed=1)
    card = training.take(examples(60)).card
    assert card is not None
    assert card["version"] == 40
    assert card["overall"]["examples"] == 40
    assert card["slices"]["carrier=UA"] == card["overall"]


@pytest.mark.parametrize("spec", [PARTS[0], STACK], ids=lambda spec: spec.name)
def test_a_learner_that_is_declared_otherwise_is_not_gone_on_with(
    domain: Domain, spec: LearnerSpec
) -> None:
    kind: type[Any] = StackTraining if spec is STACK else Training
    state = pickle.loads(pickle.dumps(kind(domain, spec, seed=1).state))
    kind(domain, spec, 1, state)
    other = replace(PARTS[0], name=spec.name, options={"rate": 0.5})
    with pytest.raises(DeclarationError, match=f"learner {spec.name!r} has learned as .*'rate'"):
        kind(domain, other, 1, state)
