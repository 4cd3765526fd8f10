"""The speed of learning: bare loops give the learners' numbers, and a wrong one is found out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.comparison import Comparison
from benchmarks.learning import bare, speed, speeds
from benchmarks.learning.speeds import FLOW, Learning, Options, Turn
from benchmarks.machine import facts
from benchmarks.storing import load as stored
from benchmarks.storing import save
from online_models.learners import make
from schemas import domains
from schemas.declare import LearnerSpec
from tests.online_models.made import stream

FLIGHTS = domains.load("flights")
BASE_RATE = LearnerSpec("base-rate", "base_rate")


@pytest.mark.parametrize("kind", ["hoeffding_tree", "adaptive_tree", "adaptive_forest", "boosting"])
def test_the_bare_loop_gives_the_numbers_of_the_learner(kind: str) -> None:
    spec = LearnerSpec("x", kind)
    rows = [dict(zip(FLIGHTS.vector_names, vector, strict=True)) for vector, _ in stream(6000)]
    labels = [bool(label) for _, label in stream(6000)]
    learner = make(spec, FLIGHTS, seed=5)
    ours = [learner.score_then_learn(vector, label) for vector, label in stream(6000)]
    (loop,) = bare.loops(spec, FLIGHTS, seed=5).values()
    np.testing.assert_allclose(list(loop(rows, labels)), ours, rtol=0, atol=1e-12)
    assert len({round(said, 6) for said in ours[-500:]}) > 3  # it has grown beyond a root


def test_options_that_river_does_not_have_are_compared_with_the_learner_itself() -> None:
    spec = LearnerSpec("x", "logistic", options={"focal": 2.0})
    assert list(bare.loops(spec, FLIGHTS, seed=0)) == [bare.OWN]
    plain = bare.loops(LearnerSpec("x", "logistic"), FLIGHTS, seed=0)
    assert list(plain) == ["River's Pipeline", "River's parts by hand"]


def test_a_bare_loop_sees_a_column_and_the_bucket_of_it_apart() -> None:
    """The hour of a payment is a number and a category."""
    payments, spec = domains.load("payments"), LearnerSpec("x", "logistic")
    examples = stream(200, domain="payments")
    rows = [dict(zip(payments.vector_names, vector, strict=True)) for vector, _ in examples]
    assert len(rows[0]) == len(examples[0].vector)
    learner = make(spec, payments, seed=0)
    wanted = [learner.score_then_learn(*example) for example in examples]
    for loop in bare.loops(spec, payments, seed=0).values():
        assert list(loop(rows, [bool(y) for _, y in examples])) == pytest.approx(wanted, abs=1e-12)


def test_a_probability_that_is_not_the_bare_loops_is_named() -> None:
    examples = [{"id": "a"}, {"id": "b"}]
    assert speed.difference(BASE_RATE, "loop", examples, [0.5, 0.25], [0.5, 0.25 + 1e-12]) < 2e-12
    for wrong in (0.25 + 2e-9, float("nan")):
        with pytest.raises(speed.WrongScores, match=r"base-rate, example b: the flow said 0\.25"):
            speed.difference(BASE_RATE, "loop", examples, [0.5, 0.25], [0.5, wrong])


def result(flow: float, bare_loop: float, rounds: int = 4) -> Learning:
    turns = []
    for number in range(rounds):
        for loop, seconds in ((FLOW, flow), ("loop", bare_loop)):
            turns.append(
                Turn(learner="x", loop=loop, round=number, examples=100, cpu=seconds,
                     seconds=seconds * (1 + number / 100) if loop == FLOW else seconds)
            )  # fmt: skip
    return Learning(kind=speeds.LEARNING, options=Options(), machine=facts(), turns=turns)


def test_ratios_are_of_the_same_round() -> None:
    assert result(2.0, 1.0, rounds=2).ratios("x", "loop") == pytest.approx([0.5, 0.5 / 1.01])


def test_a_goal_missed_in_every_turn_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds, rounds, code in ((1.2, 4, 0), (1.3, 4, 1), (1.3, 2, 0)):
        monkeypatch.setattr(speed, "run", lambda *_, s=seconds, n=rounds: result(s, 1.0, n))
        ran = CliRunner().invoke(app, ["learning", "--out", str(tmp_path)], env={"COLUMNS": "160"})
        assert ran.exit_code == code, ran.output
        assert ("missed: x ÷ loop: 0.76 (0.75 to 0.77), goal ≥ 0.8" in ran.output) is bool(code)


def test_there_is_no_goal_beside_the_learner_itself() -> None:
    turns = [msgspec.structs.replace(t, loop=bare.OWN) if t.loop == "loop" else t
             for t in result(2.0, 1.0).turns]  # fmt: skip
    assert result(2.0, 1.0).misses()
    assert msgspec.structs.replace(result(2.0, 1.0), turns=turns).misses() == []


def test_results_are_compared_by_their_ratios(tmp_path: Path) -> None:
    save(result(2.0, 1.0), tmp_path / "a.json")
    save(result(6.0, 6.0), tmp_path / "b.json")
    found: Comparison = speeds.compare(
        stored(tmp_path / "a.json", speeds.Learning), result(6.0, 6.0)
    )
    (change,) = found.changes
    assert change.metric == "x ÷ loop"
    assert change.ratio == pytest.approx(2.0)
    assert change.changed
    shown = CliRunner().invoke(app, ["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert "x ÷ loop" in shown.output, shown.output
    few = speeds.compare(result(2.0, 1.0, rounds=1), result(6.0, 1.0))
    assert not few.changes[0].changed
    assert few.notes == ["fewer than 3 turns on a side, little to judge by: x ÷ loop"]


@pytest.mark.slow
def test_the_command_takes_learners_through_the_flow(tmp_path: Path) -> None:
    options = ["--days", "1", "--rounds", "1", "--learner", "logistic", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["learning", *options], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    found = stored(tmp_path / "learning.json", speeds.Learning)
    assert [turn.loop for turn in found.turns] == [
        FLOW,
        "River's Pipeline",
        "River's parts by hand",
    ]
    assert {turn.examples for turn in found.turns} == {found.turns[0].examples}
    assert found.turns[0].examples > 500
    assert "River's Pipeline" in done.output
    wrong = CliRunner().invoke(app, ["learning", "--learner", "oracle"], env={"COLUMNS": "160"})
    assert wrong.exit_code == 2
    assert "no learner 'oracle'; there are base-rate" in wrong.output
