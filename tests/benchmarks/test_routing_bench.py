"""The routing benchmark on planted gaps: regret that must be there, intervals that must hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.compare import compare_files
from benchmarks.drift.worlds import EPOCH
from benchmarks.learning.asked import Asked
from benchmarks.routing import hidden
from benchmarks.routing import run as command
from benchmarks.routing.logs import SPLIT, Case, cover, drawn, pool, truth
from benchmarks.routing.regret import Run, choices, regret
from benchmarks.routing.worlds import MONEY, NAMES, SINCE, Arms, arms, domain_of, rewards
from schemas.declare import DAY

COUNT, DAYS = 2_400, 60
GOOD, WASTEFUL = NAMES.index("logistic"), NAMES.index("tree")


@pytest.fixture(scope="module")
def world() -> Arms:
    """Half are frauds of 100: one arm stops just these, one all the others, the rest nothing."""
    rng = np.random.default_rng(5)
    domain = domain_of()
    at = np.sort(rng.integers(0, DAYS * DAY, COUNT)) + EPOCH + SINCE * DAY
    label = (rng.random(COUNT) < 0.5).astype(np.float64)
    vectors = np.zeros((COUNT, len(domain.vector_names)))
    vectors[:, domain.vector_names.index("amount")] = 100.0
    ids = np.char.add("p", np.arange(COUNT).astype(str))
    asked = Asked(domain.vector_names, ids, at, vectors, label, at + 3 * DAY)
    answers = np.zeros((COUNT, len(NAMES)))
    answers[:, GOOD], answers[:, WASTEFUL] = label, 1.0 - label
    requests = [
        {"id": i, "customer": f"c{n % 97}", "kind": "food", "country": "BE"}
        for n, i in enumerate(ids.tolist())
    ]
    earned = [rewards(domain, asked, answers, each) for each in (label, 1.0 - label)]
    return Arms(asked, requests, answers, answers, *earned)


def test_the_best_arm_has_no_regret_and_the_worst_all_of_it(world: Arms) -> None:
    best = regret(world, choices(world, Run("fixed", arms={NAMES[GOOD]: 1.0})))
    worst = regret(world, choices(world, Run("fixed", arms={NAMES[WASTEFUL]: 1.0})))
    frauds = world.asked.label.sum()
    assert (best.best, best.period, best.earned) == (0.0, 0.0, 100.0 * frauds)
    assert worst.best == pytest.approx(100.0 * frauds + MONEY.cost * (COUNT - frauds))
    assert worst.curve[-1] == worst.best


def test_policies_that_learn_regret_less_than_uniform(world: Arms) -> None:
    split = regret(world, choices(world, Run("split"))).best
    for run in (Run("thompson"), Run("thompson", "shadow"), Run("epsilon-greedy")):
        assert regret(world, choices(world, run)).best < 0.5 * split, run.name


def test_the_best_of_every_period_earns_more_where_the_best_arm_changes(world: Arms) -> None:
    turned = world.reward.copy()
    late = world.day >= SINCE + DAYS // 2
    turned[late, GOOD], turned[late, WASTEFUL] = world.reward[late, WASTEFUL], turned[late, GOOD]
    found = regret(replace(world, reward=turned), np.full(COUNT, GOOD))
    assert found.period > 0.9 * float(world.reward[late, GOOD].sum()) > found.best


@pytest.mark.parametrize("let_through", [1.0, 0.2])
def test_intervals_hold_the_truth_as_often_as_they_say(world: Arms, let_through: float) -> None:
    held = pool(world, MONEY.threshold)
    target = {NAMES[GOOD]: 0.7, "base-rate": 0.3}
    assert truth(held, target) == pytest.approx(0.7 * float(world.reward[:, GOOD].mean()))
    for row in cover(held, Case("A/B", 1_500, SPLIT, target, let_through), 100):
        assert row.judged >= 95
        assert row.covered / row.judged >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 100), row
        assert row.mean == pytest.approx(row.truth, rel=0.05)


def test_a_customer_can_be_drawn_with_all_days(world: Arms) -> None:
    held = pool(world, MONEY.threshold)
    assert len(held.owners) == 97 + 1
    case = Case("whole", 97, SPLIT, {NAMES[GOOD]: 1.0}, whole=True)
    sizes = [len(drawn(held, case, seed)[0].arm) for seed in range(20)]
    assert np.mean(sizes) == pytest.approx(COUNT, rel=0.1)
    assert len(set(sizes)) > 10
    for row in cover(held, case, 100):
        assert row.covered / row.judged >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 100), row


def test_a_log_that_never_tried_the_arm_is_refused(world: Arms) -> None:
    case = Case("fixed", 500, {"tree": 1.0}, {NAMES[GOOD]: 1.0})
    for row in cover(pool(world, MONEY.threshold), case, 3):
        assert (row.judged, row.covered) == (0, 0)
        assert "never tried (logistic)" in row.refusal


def test_a_log_in_which_no_fraud_was_stopped_is_refused_though_it_looks_even(world: Arms) -> None:
    held = pool(world, MONEY.threshold)
    case = Case("A/B", 500, SPLIT, {NAMES[WASTEFUL]: 0.5, NAMES[GOOD]: 0.5})
    unlucky = replace(held, reward=np.minimum(held.reward, 0.0))
    assert [row.judged for row in cover(unlucky, case, 3)] == [0, 0]
    harmless = replace(unlucky, other=np.minimum(held.other, 0.0))
    assert [row.judged for row in cover(harmless, case, 3)] == [3, 3]


def test_answers_that_are_kept_are_the_same(tmp_path: Path) -> None:
    first, again = (arms(3, 4, (), tmp_path) for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 1
    assert np.array_equal(first.answers, again.answers)
    assert np.array_equal(first.before, again.before, equal_nan=True)
    other = arms(4, 4, (), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert len(other.asked) != len(first.asked)


def test_a_stopped_payment_teaches_nothing_but_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is stopped: without a share let through the learner stays as it was."""

    class Learner:
        learned = 0.0

        def predict(self, vector: list[float]) -> float:
            return 1.0

        def learn(self, vector: list[float], label: float, weight: float) -> None:
            Learner.learned += weight

    monkeypatch.setattr(hidden, "make", lambda *given: Learner())
    monkeypatch.setattr(hidden, "SINCE", 0)
    found = {}
    for share in (None, 0.0, 0.2):
        Learner.learned = 0.0
        hidden.live(1, share, 45, ())
        found[share] = Learner.learned
    assert found[0.0] == 0.0
    assert found[None] > 1_000
    assert found[0.2] == pytest.approx(found[None], rel=0.1)


def test_intervals_of_some_logs_are_measured_alone(
    world: Arms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "arms", lambda seed, days, folder: world)
    given = ["routing", "--logs", "3", "--case", "canary", "--case", "all their days"]
    ran = CliRunner().invoke(app, [*given, "--out", str(tmp_path)], env={"COLUMNS": "200"})
    assert ran.exit_code == 0, ran.output
    kept = msgspec.json.decode((tmp_path / "routing.json").read_bytes())
    assert [row["case"] for row in kept["coverage"]] == [
        *["A/B of all arms, 600 customers with all their days"] * 2,
        *["canary of 1 %, 2,500 units"] * 2,
    ]
    assert {row["logs"] for row in kept["coverage"]} == {3}
    assert not (tmp_path / "routing.png").exists()
    ran = CliRunner().invoke(app, ["routing", "--case", "lottery"], env={"COLUMNS": "900"})
    assert ran.exit_code == 2
    assert "no log has 'lottery' in its name; there are A/B of all arms, 2,500" in ran.output


def test_the_command_measures_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def measure(*given: object) -> command.Found:
        told.append(given)
        return command.Found(1, 1, {}, [], [])

    monkeypatch.setattr(command, "measure", measure)
    monkeypatch.setattr(command, "draw", lambda *found: None)
    for options in ([], ["--quick", "--answers", str(tmp_path)], ["--quick", "--logs", "7"]):
        ran = CliRunner().invoke(app, ["routing", *options, "--out", str(tmp_path)])
        assert ran.exit_code == 0, ran.output
    assert told == [(5, 240, 400, None), (1, 150, 50, tmp_path), (1, 150, 7, None)]
    kept = msgspec.json.decode((tmp_path / "routing.json").read_bytes())
    assert (kept["kind"], kept["seeds"]) == ("routing", 1)
    assert kept["machine"]["cores"] > 0
    with pytest.raises(ValueError, match=r"routing\.json is a result of routing; expected one of"):
        compare_files(tmp_path / "routing.json", tmp_path / "routing.json")
