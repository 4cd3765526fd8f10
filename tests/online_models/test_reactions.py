"""Declared reactions to drift: of a learner to its own loss, of the router to what was served."""

from __future__ import annotations

import dataclasses
import pickle
import random
from typing import Any, get_args

import pytest

from online_models.drift.reacting import Reacting
from online_models.learners import KINDS, Reaction, make
from online_models.learners.stack import StackOptions
from online_models.routes.earning import Earnings, Entry
from online_models.routes.exploring import WIDE
from online_models.routes.specs import ANY
from online_models.stacking import Blended, PartScore, Said, StackTraining
from online_models.training import Training
from schemas import domains
from schemas.declare import HOUR, REACTIONS, Domain, Drift, LearnerSpec, React, Routing
from schemas.declare.learning import ReactionName
from tests.online_models.checks import Example, copy, log_loss, taught
from tests.online_models.made import learner, stream

START = 1_700_000_000_000
BLOCK = 6 * HOUR
QUIET, CHANGED = 3_000, 400
"""Examples before and after the answers become wrong; one every ten minutes."""


def domain_of(*reactions: React) -> Domain:
    return dataclasses.replace(
        domains.load("flights"),
        learners=(LearnerSpec("good", "logistic"), LearnerSpec("bad", "logistic")),
        served="good",
        routing=Routing("epsilon-greedy", options={"epsilon": 0.02}),
        drift=Drift(warm_up=0, reference=26 * BLOCK, block=BLOCK, records=50, reactions=reactions),
    )


def examples(domain: Domain) -> list[dict[str, Any]]:
    """Sure answers that are mostly right, then mostly wrong."""
    draw, out = random.Random(1), []
    for number in range(QUIET + CHANGED):
        probability = draw.choice([0.1, 0.9])
        right = draw.random() < (0.9 if number < QUIET else 0.1)
        time = START + number * HOUR // 6
        out.append(
            {
                "id": f"e{number}",
                "time": time,
                "asked": time - HOUR,
                "vector": [0.0] * len(domain.vector_names),
                "label": float((probability > 0.5) == right),
                "probability": probability,
                "arm": "good",
                "policy": "epsilon-greedy@0",
                "propensity": 0.99,
                "unit": f"e{number}",
                "seen": 1.0,
                "slices": {},
            }
        )
    return out


class Recorder:
    """A learner that notes what it is asked to do."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def react(self, reaction: str) -> bool:
        self.asked.append(reaction)
        return True


def test_a_learner_reacts_to_what_it_was_told_to_and_soon() -> None:
    domain = domain_of(React("reset", to=("concept",)), React("raise_rate", to=("label",)))
    reacting, learner = Reacting.of(domain, "good", 1), Recorder()
    assert reacting is not None
    when = []
    for number, one in enumerate(examples(domain)):
        if reacting.after(learner, one, one["probability"]):  # type: ignore[arg-type]
            when.append(number)
        if number == QUIET:
            reacting = pickle.loads(pickle.dumps(reacting))
    assert set(learner.asked) == {"reset"}
    assert QUIET <= when[0] < QUIET + CHANGED // 2


def test_the_declared_words_are_those_that_the_learners_know() -> None:
    flights = domains.load("flights")
    assert set(REACTIONS) == set(KINDS)
    assert {*Reaction, "explore"} == set(get_args(ReactionName))
    for kind, known in REACTIONS.items():
        spec = LearnerSpec("one", kind)
        made = Blended("one", ["a"], StackOptions()) if kind == "stack" else make(spec, flights, 1)
        assert [word for word in Reaction if made.react(word)] == list(known), kind


LARGE = 100.0
CHALLENGER = LearnerSpec(
    "challenger",
    "challenger",
    options={
        "first": 500,
        "growth": 100.0,
        "share": 1.0,
        "smallest_leaf": 5,
        "size": 60,
        "half_life": 20,
    },
)
"""Its schedule would train it once, long before the examples change."""


def payments(*reactions: React) -> tuple[Domain, list[dict[str, Any]]]:
    """Payments, and examples of which nine in ten large ones are fraud, then nine in ten small."""
    draw, stream = random.Random(2), examples(domains.load("payments"))
    for number, example in enumerate(stream):
        large, usual = draw.random() < 0.5, draw.random() < 0.9
        example["vector"][0] = LARGE if large else 1.0
        example["label"] = float((large == usual) == (number < QUIET))
    watched = dataclasses.replace(domain_of(*reactions).drift, warm_up=20 * BLOCK)
    return dataclasses.replace(domains.load("payments"), drift=watched), stream


def retrained(*reactions: React) -> tuple[float, float]:
    """What the challenger of payments thinks of a large one before and after they change.

    In between it crashes.
    """
    domain, stream = payments(*reactions)
    vector = stream[0]["vector"]
    training = Training(domain, CHALLENGER, 1)
    training.take(stream[:QUIET])
    training = Training(domain, CHALLENGER, 1, pickle.loads(pickle.dumps(training.state)))
    before = training.state.learner.predict([LARGE, *vector[1:]])
    training.take(stream[QUIET:])
    return before, training.state.learner.predict([LARGE, *vector[1:]])


def test_an_alarm_makes_the_challenger_of_payments_train_anew() -> None:
    (declared,) = domains.load("payments").drift.reactions
    before, after = retrained(declared)
    assert before > 0.8
    assert after < 0.5
    for other in (
        dataclasses.replace(declared, to=("covariate",)),
        dataclasses.replace(declared, learners=("logistic",)),
    ):
        before, after = retrained(other)
        assert after == before


def test_a_logistic_whose_rate_was_raised_follows_the_newest_faster() -> None:
    plain, vectors = learner("logistic"), stream(600)
    taught(plain, vectors[:400])
    raised = copy(plain)
    assert raised.react("raise_rate")
    assert raised.export() == plain.export()
    turned = [Example(vector, 1.0 - label) for vector, label in vectors[400:]]
    loss = {one: log_loss(taught(one, turned[:100]), turned[100:]) for one in (plain, raised)}
    assert loss[raised] < 0.9 * loss[plain]


def test_what_is_around_a_learner_tells_that_it_began_anew() -> None:
    part = LearnerSpec("part", "base_rate")
    domain = dataclasses.replace(domains.load("flights"), learners=(part,))
    around: dict[str, dict[str, Any]] = {
        "base_rate": {"calibrate": True},
        "stack": {"parts": ("part",)},
    }
    for kind, options in around.items():
        made = make(LearnerSpec("around", kind, options=options), domain, 1)
        assert [word for word in Reaction if made.react(word)] == ["reset"], kind


def test_a_stack_in_the_flow_reacts_and_tells_of_it() -> None:
    domain = domain_of(React("reset", learners=("both",)))
    spec = LearnerSpec("both", "stack", options={"parts": ("good", "bad")})
    watched = dataclasses.replace(domain.drift, warm_up=20 * BLOCK)
    domain = dataclasses.replace(domain, learners=(*domain.learners, spec), drift=watched)
    stream, training, draw = examples(domain), StackTraining(domain, spec, 1), random.Random(3)
    given = [
        PartScore(one["probability"] + draw.uniform(-0.05, 0.05), number)
        for number, one in enumerate(stream, 1)
    ]
    reactions = training.offer(
        stream, [Said(part, given, 0, None) for part in ("good", "bad")]
    ).reactions
    assert {each.reaction for each in reactions} == {"reset"}
    assert stream[QUIET]["time"] <= reactions[0].time < stream[QUIET + CHANGED // 2]["time"]
    assert training.offer([], []).reactions == []


def test_only_the_learners_that_are_named_react() -> None:
    domain = domain_of(React("reset", learners=("bad",)), React("explore"))
    assert Reacting.of(domain, "good", 1) is None
    assert Reacting.of(domain, "bad", 1) is not None


@pytest.mark.parametrize("reactions", [(), (React("explore"),)], ids=["none", "explore"])
def test_the_router_explores_more_while_what_it_serves_is_wrong(
    reactions: tuple[React, ...],
) -> None:
    domain = domain_of(*reactions)
    flow = Earnings(domain, 1)
    least: list[tuple[int, float]] = []
    for number, one in enumerate(examples(domain)):
        scores: list[Entry] = [
            ("score", {"id": one["id"], "learner": arm, "probability": probability})
            for arm, probability in (("good", one["probability"]), ("bad", 0.5))
        ]
        route = flow.take([("example", one), *scores])
        if route:
            least.append((number, min(route["editions"][-1]["shares"][ANY].values())))
        if number == QUIET:
            flow = Earnings.resume(domain, 1, pickle.loads(pickle.dumps(flow.state())))
    before = {share for number, share in least if number < QUIET}
    after = [share for number, share in least if number > QUIET + CHANGED // 2]
    assert before == {0.01}
    assert after[0] == pytest.approx(WIDE / 2 if reactions else 0.01)
