"""The comparison of treatments of the rare class: its calibration, its pairs, its command."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from benchmarks.learning import imbalance, quality
from benchmarks.learning.asked import NEVER, Asked
from benchmarks.learning.imbalance import PLAIN, TREATMENTS, Row
from benchmarks.learning.quality import prequential
from online_models.learners import make
from schemas.declare import DAY, LearnerSpec
from schemas.domains import load

PAYMENTS = load("payments")
WEIGHED = "class-balanced weights"


@pytest.fixture(scope="module")
def asked() -> Asked:
    """Questions whose first two columns tell the rare class; half of the labels come late."""
    rng = np.random.default_rng(4)
    count, names = 1500, PAYMENTS.vector_names
    vectors = rng.normal(size=(count, len(names)))
    vectors[:, -len(PAYMENTS.categories) :] = rng.integers(0, 5, (count, len(PAYMENTS.categories)))
    positive = rng.random(count) < 1 / (1 + np.exp(4.0 - 1.5 * vectors[:, 0] - vectors[:, 1]))
    at = np.arange(count, dtype=np.int64) * 1000
    late = at + rng.choice([1, 200_000], count)
    ids = np.arange(count).astype(str)
    return Asked(names, ids, at, vectors, positive.astype(np.float64), late)


def test_calibration_over_the_record_is_the_option(asked: Asked) -> None:
    options = TREATMENTS[WEIGHED]
    _, found = imbalance.treated(asked, PAYMENTS, options, seed=1)
    spec = LearnerSpec("logistic", "logistic", options={**options, "calibrate": True})
    wanted = prequential(asked, make(spec, PAYMENTS, 1)).asked
    np.testing.assert_array_equal(found, wanted)


def test_every_treatment_learns_and_is_its_own(asked: Asked) -> None:
    since = int(asked.at[500])
    found = {}
    for name, options in TREATMENTS.items():
        answers, _ = imbalance.treated(asked, PAYMENTS, options, seed=1)
        found[name] = imbalance.figures(asked, answers, since)
        assert found[name]["roc_auc"] > 0.65, name
        assert found[name]["calibration_error"] < 0.1, name
    assert len({figures["log_loss"] for figures in found.values()}) == len(TREATMENTS)


def test_gains_are_of_pairs_of_a_seed_over_the_best_plain_row() -> None:
    measured = dict.fromkeys(imbalance.SHOWN, 0.0)
    worse = [{**measured, "log_loss": loss} for loss in (0.9, 0.9, 0.9)]
    plain = [{**measured, "log_loss": loss} for loss in (0.1, 0.5, 0.9)]
    other = [{**measured, "log_loss": loss} for loss in (0.0, 0.4, 0.7)]
    runs = {Row(PLAIN, 0.1): worse, Row(PLAIN, 0.2): plain, Row("other", 0.1): other}
    gain, error = imbalance.compared(runs)[2]["log_loss_gain"]
    assert gain == pytest.approx(-0.4 / 3)
    assert error == pytest.approx(math.sqrt(2 / 3) / 10 / math.sqrt(2) / math.sqrt(3))
    assert imbalance.compared(runs)[1]["log_loss_gain"] == [0.0, 0.0]


def test_only_what_was_asked_since_is_scored(asked: Asked) -> None:
    answers = np.where(asked.at < 5000, 1.0 - asked.label, asked.label)
    assert imbalance.figures(asked, answers, since=5000)["brier"] == 0.0
    assert imbalance.figures(asked, answers, since=4000)["brier"] > 0.0
    unlabelled = replace(asked, labelled=np.full(len(asked), NEVER))
    assert imbalance.figures(unlabelled, answers, since=0)["examples"] == 0


def command(*options: str) -> Result:
    """What the command does with simulations whose first 300 seconds are not scored."""
    app = typer.Typer()
    app.command()(imbalance.main)
    fixed = ["--seeds", "2", "--days", "1", "--skip", str(300_000 / DAY), "--rate", "0.1"]
    return CliRunner().invoke(app, [*fixed, *options], env={"COLUMNS": "160"})


def test_the_command_prints_and_writes_a_row_for_each(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "asked_of", lambda domain, stream: asked)
    ran = command("--treatment", WEIGHED, "--out", str(tmp_path))
    assert ran.exit_code == 0, ran.output
    rows = json.loads((tmp_path / "imbalance.json").read_text())["rows"]
    names = [PLAIN, f"{PLAIN} + Platt", WEIGHED, f"{WEIGHED} + Platt"]
    assert [(row["name"], row["rate"]) for row in rows] == [(name, 0.1) for name in names]
    for row in rows:
        assert f"{row['log_loss']:.5f}" in ran.output, row["name"]
        assert [one["examples"] for one in row["seeds"]] == [1200, 1200]


def test_kept_questions_are_asked_anew_where_the_columns_are_others(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = replace(asked, names=("gone", *asked.names[1:]))
    simulated = [older, older, asked, asked]
    monkeypatch.setattr(imbalance, "treated", lambda asked, *_: [asked.label, asked.label])
    monkeypatch.setattr(quality, "asked_of", lambda domain, stream: simulated.pop(0))
    for left in (2, 0, 0):
        ran = command("--treatment", PLAIN, "--vectors", str(tmp_path))
        assert ran.exit_code == 0, ran.output
        assert len(simulated) == left


def test_a_treatment_that_there_is_not_is_named_before_anything_runs() -> None:
    app = typer.Typer()
    app.command()(imbalance.main)
    ran = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["--treatment", "focal, gama 2"])
    assert ran.exit_code == 2
    assert "no treatment 'focal, gama 2'; there are 'plain', " in ran.output
