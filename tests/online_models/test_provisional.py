"""Provisional labels: which event gives one, and how an example counts once all the same."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from online_models.learners import make
from online_models.provisional import Labelling, ProvisionalLabel
from online_models.stacking import StackTraining, said
from online_models.training import Training
from schemas import domains
from schemas.declare import Domain, LearnerSpec, Provisional, Publishing
from tests.online_models.made import stream

LATE = Provisional("late", "departed", "leg", "delay", label=1.0, weight=0.3, at_least=45.0)
EARLY = Provisional("early", "departed", "leg", "delay", label=0.0, weight=0.2, at_most=0.0)
PARTS = (LearnerSpec("a", "logistic"), LearnerSpec("b", "base_rate"))
STACK = LearnerSpec("both", "stack", options={"parts": ("a", "b")})
VECTORS = [example.vector for example in stream(600)[:40]]


@pytest.fixture
def domain() -> Domain:
    flights = domains.load("flights")
    rule = Publishing(examples=4, time=10**12)
    return replace(flights, learners=(*PARTS, STACK), served="both", publishing=rule)


def example(number: int, label: float = 1.0, provisional: tuple[int, ...] = ()) -> dict[str, Any]:
    """The example of a number; what it carries are positive ones with weight 0.3."""
    given = [
        {**ProvisionalLabel(f"e{n}", number, "late", 1.0, 0.3)._asdict(), "vector": VECTORS[n]}
        for n in provisional
    ]
    return {
        "id": f"e{number}",
        "time": number,
        "asked": number,
        "vector": VECTORS[number],
        "label": label,
        "slices": {},
        "provisional": given,
    }


@pytest.mark.parametrize(
    ("delay", "found"), [(45.0, "late"), (44.9, None), (0.0, "early"), (None, None)]
)
def test_a_function_fires_where_it_is_declared_to(delay: float | None, found: str | None) -> None:
    labelling = Labelling((LATE, EARLY))
    record = {"leg": "x", "time": 7, "delay": delay}
    label = labelling.of("departed", record)
    assert (label and label.source) == found
    assert labelling.of("landed", record) is None
    assert labelling.of("departed", {**record, "leg": None}) is None
    if delay == 45.0:
        assert label == ProvisionalLabel("x", 7, "late", 1.0, 0.3)


def test_the_true_label_is_learned_with_the_rest_and_scored_as_before_both(domain: Domain) -> None:
    training = Training(domain, PARTS[0], seed=1)
    first, second = training.take([example(0, provisional=(2,)), example(1, 0.0)]).scores
    (third,) = training.take([example(2, 0.0)]).scores
    bare = make(PARTS[0], domain, seed=1)
    before = bare.predict(VECTORS[2])
    bare.learn(VECTORS[2], 1.0, 0.3)
    assert first["probability"] == bare.score_then_learn(VECTORS[0], 1.0)
    assert second["probability"] == bare.score_then_learn(VECTORS[1], 0.0)
    bare.learn(VECTORS[2], 0.0, 0.7)
    assert (third["probability"], third["version"], third["label"]) == (before, 3, 0.0)
    assert training.state.learner.export() == bare.export()
    assert training.quality().examples == 3
    assert training.state.slices.overall.examples == 3
    assert training.state.provisional == {}


def test_an_example_weighs_one_in_all_with_provisional_labels_or_without(domain: Domain) -> None:
    """To the base rate, which only counts, one that was right makes no difference at last."""
    plain, provisional = (Training(domain, PARTS[1], seed=1) for _ in range(2))
    for number in range(20):
        plain.take([example(number)])
        provisional.take([example(number, provisional=(number + 1,))])
    plain.take([example(20)])
    provisional.take([example(20)])
    answers = [each.state.learner.predict(VECTORS[0]) for each in (plain, provisional)]
    assert answers[0] == pytest.approx(answers[1], abs=1e-12)


def test_what_never_comes_true_is_forgotten_after_the_deadline(domain: Domain) -> None:
    training = Training(domain, PARTS[1], seed=1)
    training.take([example(0, provisional=(30, 31))])
    assert set(training.state.provisional) == {"e30", "e31"}
    late = example(1, provisional=(32,))
    late["provisional"][0]["time"] = domain.label.deadline + 1
    training.take([late])
    assert set(training.state.provisional) == {"e32"}


def test_a_stack_and_its_parts_agree_on_versions(domain: Domain) -> None:
    """In pieces and through pickles; a snapshot's version counts provisional labels, too."""
    parts = {spec.name: Training(domain, spec, seed=1) for spec in PARTS}
    stack = StackTraining(domain, STACK, seed=1)
    batches = [
        [example(0, provisional=(3, 4)), example(1, 0.0)],
        [example(2, provisional=(5,)), example(3), example(4, 0.0)],
        [example(5), example(6, 0.0, provisional=(7,)), example(7)],
    ]
    newest: Any = None
    for batch in batches:
        taken = {name: training.take(batch) for name, training in parts.items()}
        given = [said(one, name) for name, one in taken.items()]
        found = stack.offer(batch, given)
        assert [s["id"] for s in found.scores] == [e["id"] for e in batch]
        versions = {one.snapshot["version"] for one in taken.values() if one.snapshot}
        assert {found.snapshot["version"] if found.snapshot else None} == (versions or {None})
        newest = found.snapshot or newest
        stack = StackTraining(domain, STACK, 1, pickle.loads(pickle.dumps(stack.state)))
    assert newest["version"] == 12
    assert newest["difference"] < 1e-9


def test_one_by_one_or_in_batches_publishes_the_same(domain: Domain) -> None:
    stream_ = [example(n, float(n % 2), (n + 1,) if n % 3 else ()) for n in range(30)]
    whole, single = (Training(domain, PARTS[0], seed=1) for _ in range(2))
    last = whole.take(stream_).snapshot
    found = [single.take([one]).snapshot for one in stream_]
    published = {one["version"]: one["sha256"] for one in found if one}
    assert last is not None
    assert published[last["version"]] == last["sha256"]
    assert len(published) > 8
