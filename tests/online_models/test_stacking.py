"""A stack in pieces, as the flow has it, publishes what the whole learner would."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from online_models.export import run_graph
from online_models.learners import make
from online_models.learners.blending import Blend
from online_models.learners.stack import StackOptions, stacked
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
    early = late._replace(scores=late.scores[:50])
    assert stack.offer([], [early]).snapshot is None
    rest = late._replace(scores=late.scores[50:], graph=None)
    taken = stack.offer([], [rest, first[1]])
    assert taken.snapshot is not None
    assert taken.snapshot["version"] == 80
    vectors = [example["vector"] for example in batch[:5]]
    assert run_graph(taken.snapshot["onnx"], vectors).shape == (5,)


def test_a_stack_that_is_declared_after_its_parts_publishes_what_a_bare_one_would(
    domain: Domain,
) -> None:
    parts = {spec.name: Training(domain, spec, seed=1) for spec in PARTS}
    before, after = examples(370)[:130], examples(370)[130:]  # the newest version is 360
    for name, training in parts.items():
        training.take(before)
        state = pickle.loads(pickle.dumps(training.state))
        parts[name] = Training(domain, next(s for s in PARTS if s.name == name), 1, state)
    stack, newest = StackTraining(domain, STACK, seed=1), None
    for start in range(0, 230, 25):
        batch = after[start : start + 25]
        given = [said(training.take(batch), name) for name, training in parts.items()]
        newest = stack.offer(batch, given).snapshot or newest
    assert newest is not None
    assert newest["version"] == 230
    assert newest["difference"] < 1e-9
    blend = Blend(2, StackOptions().spread, StackOptions().drift)
    bare = {spec.name: make(spec, domain, 1) for spec in PARTS}
    for example in before:
        for learner in bare.values():
            learner.learn(example["vector"], example["label"])
    for e in after[:230]:
        said_so = [one.score_then_learn(e["vector"], e["label"]) for one in bare.values()]
        blend.learn(said_so, bool(e["label"]))
    graphs = [learner.export() for learner in bare.values()]
    assert newest["onnx"] == stacked("both", graphs, blend)


def test_parts_of_different_beginnings_are_told_with_what_to_do(domain: Domain) -> None:
    parts = {spec.name: Training(domain, spec, seed=1) for spec in PARTS}
    parts["a"].take(examples(100))
    batch = examples(150)[100:]
    given = [said(training.take(batch), name) for name, training in parts.items()]
    with pytest.raises(DeclarationError, match=r"\(a 100, b 0\).* HEADRACE_GENERATION"):
        StackTraining(domain, STACK, seed=1).offer(batch, given)


def test_a_part_that_is_declared_later_is_told_with_what_to_do(domain: Domain) -> None:
    every = replace(STACK, options={})
    state = StackTraining(replace(domain, learners=(PARTS[0], every)), every, seed=1).state
    more = replace(domain, learners=(PARTS[0], LearnerSpec("c", "logistic"), every))
    with pytest.raises(DeclarationError, match="parts a, c; expected a as before"):
        StackTraining(more, every, 1, state)


def test_scores_that_wait_in_a_state_of_before_are_gone_on_with(domain: Domain) -> None:
    stack, batch = StackTraining(domain, STACK, seed=1), examples(80)
    state = stack.state
    state.scores["a"].extend([0.5] * 10)  # type: ignore[list-item]
    parts = {spec.name: Training(domain, spec, seed=1) for spec in PARTS}
    given = {name: said(training.take(batch), name) for name, training in parts.items()}
    given["a"] = given["a"]._replace(scores=given["a"].scores[10:])
    taken = StackTraining(domain, STACK, 1, state).offer(batch, list(given.values()))
    assert len(taken.scores) == 80
    assert taken.snapshot is not None


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
