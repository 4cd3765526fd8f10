"""The learning lab: who knows what when, and that its figures are those of the measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.learning import quality as learning
from benchmarks.learning.asked import NEVER, Asked, asked_of
from schemas.dataset import Stamped, load
from schemas.declare import Label, Unlabelled
from schemas.domains import load as load_domain


class Notebook:
    """A learner that answers with how much it has learned, and notes in which order."""

    name = "notebook"

    def __init__(self) -> None:
        self.examples = 0
        self.learned: list[float] = []

    def predict(self, vector: Sequence[float]) -> float:
        return self.examples / 100

    def learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> None:
        self.examples += 1
        self.learned.append(vector[0])

    def score_then_learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> float:
        answer = self.predict(vector)
        self.learn(vector, label, weight)
        return answer

    def export(self) -> bytes:
        return b""

    def react(self, reaction: str) -> bool:
        return False


@pytest.fixture
def four() -> Asked:
    """Four questions at 10, 20, 30, 40; the second is labelled last, the third never."""
    return Asked(
        names=("number", "origin.count", "carrier"),
        ids=np.array(["a", "b", "c", "d"]),
        at=np.array([10, 20, 30, 40]),
        vectors=np.array([[0.0, 5.0, 1.0], [1.0, 6.0, 2.0], [2.0, 7.0, 3.0], [3.0, 8.0, 4.0]]),
        label=np.array([1.0, 0.0, np.nan, 1.0]),
        labelled=np.array([30, 90, NEVER, 50]),
    )


def test_a_learner_knows_only_labels_that_have_come(four: Asked) -> None:
    notebook = Notebook()
    outcome = learning.prequential(four, notebook)
    assert notebook.learned == [0.0, 3.0, 1.0]
    assert outcome.asked.tolist() == [0.0, 0.0, 0.01, 0.01]
    np.testing.assert_array_equal(outcome.before, [0.0, 0.02, np.nan, 0.01])


def test_figures_are_over_labelled_questions_since(four: Asked) -> None:
    outcome = learning.Outcome("x", np.array([0.1, 0.2, 0.5, 0.9]), np.full(4, 0.5), 1.0, 3.0)
    row = learning.scored(four, outcome, since=20)
    assert row["auc"] == 1.0
    assert row["log loss"] == pytest.approx(-(np.log(0.8) + np.log(0.9)) / 2)
    assert row["auc before learning"] == 0.5
    assert row["predict us"] == pytest.approx(250_000)
    assert row["learn us"] == pytest.approx(1_000_000)


def test_blanked_columns_are_unknown_everywhere(four: Asked) -> None:
    blanked = learning.blanked(four, ["origin.*"])
    assert np.isnan(blanked.vectors[:, 1]).all()
    np.testing.assert_array_equal(blanked.vectors[:, ::2], four.vectors[:, ::2])


def test_asked_is_read_as_it_was_saved(four: Asked, tmp_path: Path) -> None:
    four.save(tmp_path / "deep" / "four.npz")
    again = Asked.read(tmp_path / "deep" / "four.npz")
    assert again.names == four.names
    for name in ("ids", "at", "vectors", "label", "labelled"):
        np.testing.assert_array_equal(getattr(again, name), getattr(four, name))


@pytest.fixture(scope="module")
def day() -> list[Stamped]:
    return list(load("flights").replay(days=1, start="2013-02-06"))


def test_batches_of_the_stream_do_not_change_a_vector(
    day: list[Stamped], monkeypatch: pytest.MonkeyPatch
) -> None:
    flights = load_domain("flights")
    many = asked_of(flights, day)
    monkeypatch.setattr("benchmarks.learning.asked._AT_ONCE", 1)
    np.testing.assert_array_equal(asked_of(flights, day).vectors, many.vectors)
    assert many.vectors.shape == (len(many), len(flights.vector_names))


def test_labels_join_their_questions(day: list[Stamped]) -> None:
    asked = asked_of(load_domain("flights"), day)
    labels = {s.record["id"]: s for s in day if s.stream == "labels"}
    assert 0 < len(labels) < len(asked)
    for id_, label, time in zip(asked.ids, asked.label, asked.labelled, strict=True):
        if id_ in labels:
            assert (label, time) == (labels[id_].record["value"], labels[id_].time_ms)
        else:
            assert time == NEVER
            assert np.isnan(label)


def test_the_command_prints_a_row_for_each_learner(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(learning.main)
    options = ["--days", "3", "--since", "2013-01-02", "--vectors", str(tmp_path)]
    chosen = ["--learner", "logistic", "--learner", "base-rate"]
    first = CliRunner().invoke(app, [*options, *chosen], env={"COLUMNS": "160"})
    assert first.exit_code == 0, first.output
    assert "logistic" in first.output
    assert "tree" not in first.output
    again = CliRunner().invoke(app, [*options, *chosen], env={"COLUMNS": "160"})
    pick = [line.split("│")[2] for line in first.output.splitlines() if "logistic" in line]
    assert pick == [line.split("│")[2] for line in again.output.splitlines() if "logistic" in line]


@pytest.mark.parametrize(
    ("missing", "came", "settled"),
    [
        (Unlabelled.DROP, (1.0, 90), (1.0, 90)),
        (Unlabelled.NEGATIVE, (1.0, 110), (1.0, 110)),
        (Unlabelled.NEGATIVE, (1.0, 111), (0.0, 110)),
        (Unlabelled.NEGATIVE, None, (0.0, 110)),
        (Unlabelled.DROP, (1.0, 111), (math.nan, NEVER)),
        (Unlabelled.DROP, None, (math.nan, NEVER)),
    ],
)
def test_silence_until_the_deadline_means_what_the_domain_says(
    missing: Unlabelled, came: tuple[float, int] | None, settled: tuple[float, int]
) -> None:
    flights = replace(load_domain("flights"), label=Label(deadline=100, missing=missing))
    stream = [s for s in load("flights").replay(days=1) if s.stream == "requests"][:1]
    stream[0] = stream[0]._replace(time_ms=10)
    if came is not None:
        label = {"id": stream[0].record["id"], "time": came[1], "value": came[0]}
        stream.append(Stamped(came[1], "labels", "label", label))
    asked = asked_of(flights, stream)
    np.testing.assert_array_equal([asked.label[0], asked.labelled[0]], settled)


def test_options_of_learners_can_be_set_for_a_run() -> None:
    domain = load_domain("flights")
    changed = learning.with_options(
        domain, ["challenger.size=100000", "stack.spread=0.05", "stack.drift=1e-7"]
    )
    before, after = ({s.name: s.options for s in d.learners} for d in (domain, changed))
    assert after["challenger"] == {**before["challenger"], "size": 100_000}
    assert after["stack"] == {**before["stack"], "spread": 0.05, "drift": 1e-7}
    assert {name for name in before if before[name] != after[name]} == {"challenger", "stack"}


@pytest.mark.parametrize("given", ["oracle.size=1", "challenger=1", "challenger.size", "stack.a=b"])
def test_an_option_of_another_form_is_named_with_what_is_expected(given: str) -> None:
    with pytest.raises(typer.BadParameter, match=rf"'{given}'; expected"):
        learning.with_options(load_domain("flights"), [given])
