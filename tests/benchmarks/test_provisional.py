"""What provisional labels are worth: what is learned when, and the pairs of days."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.learning import provisional, quality
from benchmarks.learning.asked import NEVER, Asked, asked_of
from benchmarks.learning.quality import prequential
from online_models.learners import make
from online_models.provisional import ProvisionalLabel
from schemas.dataset import load as load_dataset
from schemas.declare import DAY
from schemas.domains import load
from tests.benchmarks.test_learning import Notebook


class Weighing(Notebook):
    """Notes the weights, too."""

    def learn(self, vector: object, label: float, weight: float = 1.0) -> None:
        super().learn(vector, label)  # type: ignore[arg-type]
        self.notes = [*getattr(self, "notes", []), (vector[0], label, round(weight, 6))]  # type: ignore[index]


def asked() -> Asked:
    return Asked(
        names=("n",),
        ids=np.array(["a", "b", "c"]),
        at=np.array([10, 20, 40]),
        vectors=np.array([[0.0], [1.0], [2.0]]),
        label=np.array([1.0, 0.0, np.nan]),
        labelled=np.array([50, 60, NEVER]),
    )


def test_the_rest_is_learned_when_the_true_label_comes() -> None:
    learner = Weighing()
    labels = {
        "a": ProvisionalLabel("a", 30, "f", 1.0, 0.3),
        "c": ProvisionalLabel("c", 55, "f", 1.0, 0.4),
    }
    answers = provisional.learned(asked(), learner, labels)
    assert learner.notes == [(0.0, 1.0, 0.3), (0.0, 1.0, 0.7), (2.0, 1.0, 0.4), (1.0, 0.0, 1.0)]
    assert answers.asked.tolist() == [0.0, 0.0, 0.01]
    assert (answers.provisional, answers.right) == (2, 1.0)


def test_without_provisional_labels_the_answers_are_those_of_the_plain_loop() -> None:
    flights = load("flights")
    held = asked_of(flights, load_dataset("flights").replay(days=1, start="2013-02-06"))
    spec = next(spec for spec in flights.learners if spec.name == "logistic")
    plain = prequential(held, make(spec, flights, 0)).asked
    assert len(set(plain.tolist())) > 100
    assert provisional.learned(held, make(spec, flights, 0), {}).asked.tolist() == plain.tolist()


def test_departures_give_labels_between_question_and_label() -> None:
    flights = load("flights")
    held = asked_of(flights, load_dataset("flights").replay(days=1, start="2013-02-06"))
    declared = provisional.TRIED["45 min late, weight 0.3"]
    found = provisional.given_by(declared, flights, 1, "2013-02-06", held)
    assert len(found) > 20
    for id_, at, labelled in zip(held.ids, held.at, held.labelled, strict=True):
        if id_ in found:
            assert at < found[id_].time
            assert labelled == NEVER or found[id_].time < labelled
    assert not provisional.given_by((), flights, 1, "2013-02-06", held)
    early = replace(held, labelled=held.at + 1)
    assert not provisional.given_by(declared, flights, 1, "2013-02-06", early)


def test_days_are_the_blocks_of_the_error() -> None:
    days = np.repeat(np.arange(4), 5) * DAY
    label = np.zeros(20)
    held = Asked(("n",), np.arange(20).astype(str), days, np.zeros((20, 1)), label, days + 1)
    plain = np.full(20, 1 - np.exp(-0.5))
    other = 1 - np.exp(-np.repeat([0.4, 0.6, 0.2, 0.4], 5))
    mean, error = provisional.gain(held, plain, other, np.full(20, True))
    assert mean == pytest.approx(-0.1)
    assert error == pytest.approx(np.sqrt((0.0 + 0.04 + 0.04 + 0.0) * 25) / 20)


@pytest.mark.parametrize(
    ("module", "option", "name", "near"),
    [
        (provisional, "--tried", "45 min late, weight .3", "45 min late, weight 0.3"),
        (provisional, "--learner", "logistik", "logistic"),
        (quality, "--learner", "logistik", "logistic"),
    ],
)
def test_a_name_that_there_is_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, option: str, name: str, near: str
) -> None:
    monkeypatch.setattr(module, "collect", lambda *_: pytest.fail("it began"))
    app = typer.Typer()
    app.command()(module.main)
    ran = CliRunner().invoke(app, [option, name], env={"COLUMNS": "400"})
    assert ran.exit_code == 2
    assert f"{name!r}; there are '" in ran.output
    assert f"did you mean {near!r}?" in ran.output
