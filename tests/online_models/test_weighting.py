"""Where decisions hide outcomes, measures of what was seen are those of all."""

from __future__ import annotations

import json
import pickle
from dataclasses import astuple, fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from online_models import evaluation
from online_models.evaluation import Measures, measure, weight_of
from online_models.stacking import StackTraining, said
from online_models.tallies import Recent, Slices, Tally
from online_models.training import Taken, Training
from schemas import domains
from schemas.avro import CORE, Codec, Reader, fingerprint, frame
from schemas.declare import LearnerSpec, Publishing
from tests.online_models.made import stream
from tests.schemas.test_compatibility import RELEASED

Doubles = NDArray[np.float64]
NAMES = [field.name for field in fields(Measures) if field.name not in {"examples", "effective"}]
RUNS = 200


def everyone(count: int = 8_000) -> tuple[Doubles, Doubles, Doubles]:
    """Labels, probabilities three times too large, and how likely an outcome is to be seen."""
    rng = np.random.default_rng(4)
    probabilities = rng.random(count)
    labels = (rng.random(count) < probabilities / 3).astype(np.float64)
    return labels, probabilities, np.where(probabilities > 0.4, 0.1, 1.0)


def thinned(seed: int) -> tuple[Doubles, Doubles, Doubles]:
    """Labels, probabilities and weights of those whose outcome is seen."""
    labels, probabilities, seen = everyone()
    shown = np.random.default_rng(seed).random(len(seen)) < seen
    return labels[shown], probabilities[shown], 1.0 / seen[shown]


def off(found: list[Measures], truth: Measures) -> dict[str, float]:
    """Standard errors of the mean between the mean of what was found and the truth, by measure."""
    values = {name: np.array([getattr(each, name) for each in found]) for name in NAMES}
    return {
        name: abs(of.mean() - getattr(truth, name)) / of.std(ddof=1) * np.sqrt(len(of))
        for name, of in values.items()
    }


def test_measures_of_what_was_seen_are_those_of_all() -> None:
    truth = measure(*everyone()[:2])
    seen = [thinned(seed) for seed in range(RUNS)]
    assert max(off([measure(*each) for each in seen], truth).values()) < 4
    assert min(off([measure(*each[:2]) for each in seen], truth).values()) > 20


def test_an_example_of_weight_k_is_k_examples() -> None:
    labels, probabilities, _ = thinned(1)
    counts = np.random.default_rng(2).integers(1, 5, len(labels))
    once = measure(labels, probabilities, counts)
    repeated = measure(np.repeat(labels, counts), np.repeat(probabilities, counts))
    for name in NAMES:
        assert getattr(once, name) == pytest.approx(getattr(repeated, name), rel=1e-9)


def test_tallies_weigh_as_arrays_do() -> None:
    labels, probabilities, weights = (part[:1_500] for part in thinned(3))
    recent, whole, slices = Recent(700), Tally(), Slices()
    for place, each in enumerate(zip(*map(np.ndarray.tolist, thinned(3)), strict=True)):
        if place == len(labels):
            break
        recent.update(*each)
        whole.update(*each)
        slices.update({"parity": str(place % 2)}, *each)
    exact = measure(labels, probabilities, weights)
    for tally in (whole, slices.overall):
        found = pickle.loads(pickle.dumps(tally)).measures()
        assert astuple(found) == pytest.approx(astuple(exact), rel=1e-2)
    odd = measure(labels[1::2], probabilities[1::2], weights[1::2])
    assert astuple(slices.tallies["parity=1"].measures()) == pytest.approx(astuple(odd), rel=1e-2)
    newest = measure(labels[-700:], probabilities[-700:], weights[-700:])
    assert astuple(recent.measures()) == pytest.approx(astuple(newest))


def test_effective_examples_are_told_only_where_weights_differ() -> None:
    labels, probabilities = [0.0, 1.0, 0.0, 0.0], [0.2, 0.6, 0.1, 0.3]
    uneven = measure(labels, probabilities, [1, 1, 1, 10])
    assert uneven.effective == uneven.finite()["effective"] == pytest.approx(13**2 / 103)
    for alike in (measure(labels, probabilities), measure(labels, probabilities, [1 / 0.3] * 4)):
        assert alike.effective == pytest.approx(4)
        assert "effective" not in alike.finite()


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_weight_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weights that are not positive"):
        evaluation.brier([1.0], [0.5], [weight])
    with pytest.raises(ValueError, match="expected above 0 and finite"):
        Tally().update(1.0, 0.5, weight)


def hidden_examples(count: int) -> list[dict[str, Any]]:
    """Some of which stand for others."""
    rest = {"slices": {"carrier": "UA"}, "provisional": []}
    return [
        {"id": f"e{i}", "time": i, "asked": i, "vector": v, "label": y, "seen": seen, **rest}
        for i, ((v, y), seen) in enumerate(
            zip(stream(count), [0.1, 1.0, 1.0] * count, strict=False)
        )
    ]


def test_scores_and_cards_of_learners_and_stacks_weigh_examples() -> None:
    parts = (LearnerSpec("a", "logistic"), LearnerSpec("b", "adaptive_tree"))
    whole = LearnerSpec("both", "stack", options={"parts": ("a", "b")})
    every = Publishing(examples=300, time=10**12)
    domain = replace(
        domains.load("flights"), learners=(*parts, whole), served="both", publishing=every
    )
    batch = hidden_examples(300)
    takens: list[Taken] = [Training(domain, spec, seed=1).take(batch) for spec in parts]
    spoken = [said(taken, spec.name) for taken, spec in zip(takens, parts, strict=True)]
    takens.append(StackTraining(domain, whole, seed=1).offer(batch, spoken))
    for taken in takens:
        assert [score["seen"] for score in taken.scores] == [each["seen"] for each in batch]
        labels, said_so = ([s[name] for s in taken.scores] for name in ("label", "probability"))
        exact = measure(labels, said_so, [weight_of(score) for score in taken.scores]).finite()
        assert taken.card is not None
        assert taken.card["recent"] == pytest.approx(exact)
        assert taken.card["overall"] == taken.card["slices"]["carrier=UA"]
        assert taken.card["overall"] == pytest.approx(exact, rel=0.05)
        assert exact["effective"] < 200


def test_scores_of_before_weigh_one() -> None:
    old = json.loads((RELEASED / "core/score.1.avsc").read_text())
    score = {"id": "e", "time": 1, "asked": 0, "learner": "a", "version": 0}
    written = frame(fingerprint(old), Codec(old).encode({**score, "probability": 0.1, "label": 1}))
    _, found = Reader({"score": CORE["score"]}, lambda _: old).decode(written)
    assert weight_of(found) == 1.0
