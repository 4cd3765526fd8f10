"""Positives that score lower are found as concept drift; what moves with all others is not."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from online_models.drift import Budget, PositivesWatch, positives
from online_models.drift.calibration import null
from online_models.drift.cells import CELLS, cells_of
from online_models.drift.packets import Answer
from online_models.drift.statistics import lower
from online_models.drift.watcher import watchers
from schemas import domains
from schemas.declare import DAY, Drift

DRIFT = Drift(warm_up=0, reference=28 * DAY)
A_DAY, RATE, CHANGED = 200, 0.03, 40
LET_THROUGH = 0.1


def answers(
    changed: str = "", seed: int = 1, days: int = 60, campaigns: float = 0.0,
    share: float = 1 / 3, others: float = -5.0,
) -> list[Answer]:  # fmt: skip
    """Six positives a day that score high, where `others` do not; on day CHANGED a `share` of the
    positives, or all scores, come down. Each four days have `campaigns` of their own, by which
    positives score otherwise."""
    rng = np.random.default_rng(seed)
    n = days * A_DAY
    at = np.arange(n, dtype=np.int64) * (DAY // A_DAY) + 1_000 * DAY
    positive = rng.random(n) < RATE
    score = rng.normal(np.where(positive, 0.0, others), 1.0)
    score += positive * np.repeat(rng.normal(0, campaigns, days // 4 + 1), 4 * A_DAY)[:n]
    late = np.arange(n) >= CHANGED * A_DAY
    score -= 4.0 * (late & positive & (rng.random(n) < share)) * (changed == "positives")
    score -= 2.0 * late * (changed == "everything")
    rows = zip(at.tolist(), positive.astype(float).tolist(), special.expit(score), strict=True)
    return [Answer(time, label, float(p), ()) for time, label, p in rows]


def stopped(rows: list[Answer], day: int) -> list[Answer]:
    """What is known where from that day on a policy stops most of the positives."""
    rng, out = np.random.default_rng(2), []
    for row in rows:
        if row.time < (1_000 + day) * DAY or row.probability < special.expit(-0.5):
            out.append(row)
        elif rng.random() < LET_THROUGH:
            out.append(row._replace(weight=1 / LET_THROUGH))
    return out


def watch() -> PositivesWatch:
    return PositivesWatch("d", Budget(DRIFT, inputs=40, arms=4), seed=1)


def opened(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record["state"] == "opened"]


def test_a_change_of_the_positives_alone_is_found_as_concept_drift() -> None:
    (first, *_) = opened(watch().take(answers("positives")))
    told = [first[name] for name in ("what", "name", "kind", "test", "direction")]
    assert told == ["score", "positives", "concept", "lower", "down"]
    assert 0 <= first["time"] / DAY - 1_000 - CHANGED < 10
    assert first["statistic"] > first["threshold"]
    assert first["window"] == "4 x 5 positives"


def test_what_moves_with_all_others_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = answers("everything")
    assert watch().take(moved) == []
    monkeypatch.setattr(positives, "ALONE", -9.0)  # whatever their rank
    assert opened(watch().take(moved))


@pytest.mark.parametrize("campaigns", [0.0, 0.5])
def test_false_alarms_keep_to_the_budget(campaigns: float) -> None:
    """Also where positives of one time resemble each other, as campaigns of fraud do."""
    number, days = 12, 88
    quiet = (answers(seed=seed, days=days, campaigns=campaigns) for seed in range(number))
    false = sum(len(opened(watch().take(rows))) for rows in quiet)
    assert false <= stats.poisson.ppf(0.999, number * (days - 29) / 30 * DRIFT.false_alarms / 8)


def test_a_few_windows_alone_would_tell_no_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The change is not found where nothing is believed but what the reference has shown."""
    monkeypatch.setattr("online_models.drift.calibration.BELIEVED", 0.0)
    assert watch().take(answers("positives", days=CHANGED + 10)) == []


def test_the_tail_of_independent_positives_is_that_of_smirnov() -> None:
    rng = np.random.default_rng(2)
    blocks = np.zeros((60, 400, CELLS))
    for place in rng.integers(0, 64, (5, 60, 400)):
        np.put_along_axis(
            blocks, place[..., None], 1 + np.take_along_axis(blocks, place[..., None], -1), -1
        )
    cells = cells_of([positives.COLUMNS[0]] * 400, rng.random((200, 400)))
    learned = null("lower", cells, blocks[:24, None], 4, 1e-2)
    windows = blocks[24:].reshape(9, 4, 400, CELLS).sum(1)
    p = learned.p(lower(windows, blocks[:24].sum(0)), np.full(400, 20.0))
    assert 0 < (p < 1e-2).sum() <= stats.binom.ppf(0.999, p.size, 1e-2)


def test_batches_and_pickling_change_nothing() -> None:
    rows = answers("positives", days=80)
    whole = watch().take(rows)
    assert {record["state"] for record in whole} >= {"opened", "closed"}
    one, out = watch(), []
    for first in range(0, len(rows), 333):
        out += one.take(rows[first : first + 333])
        one = pickle.loads(pickle.dumps(one))
    assert out == whole


def test_an_example_that_comes_again_counts_once() -> None:
    domain = replace(domains.load("payments"), drift=DRIFT)
    examples = [
        {"id": f"e{n}", "time": time, "label": label, "probability": p, "slices": {}}
        for n, (time, label, p, *_) in enumerate(answers("positives"))
    ]
    once, twice = (next(w for w in watchers(domain, 1) if w.key == "positives") for _ in range(2))
    wanted = once.take(examples)
    got = twice.take(examples[:9_000]) + twice.take(examples[8_000:10_000])
    assert got + twice.take(examples[9_500:]) == wanted
    assert wanted


def test_a_policy_that_begins_to_stop_changes_nothing() -> None:
    """Where all that is known weighs one, positives seem to score lower."""
    number, days = 8, 88
    weighed = alone = 0
    for seed in range(number):
        known = stopped(answers(seed=seed, days=days, others=-2.0), 32)
        weighed += len(opened(watch().take(known)))
        alone += len(opened(watch().take([row._replace(weight=1.0) for row in known])))
    assert weighed <= stats.poisson.ppf(0.99, number * (days - 29) / 30 * DRIFT.false_alarms / 8)
    assert alone >= number


def test_a_change_is_found_where_most_positives_are_stopped() -> None:
    found = 0
    for seed in range(8):
        changed = answers("positives", seed, days=80, share=1.0, others=-2.0)
        told = opened(watch().take(stopped(changed, 0)))
        found += any(record["opened"] >= (1_000 + CHANGED) * DAY for record in told)
    assert found >= 4


def test_a_positive_is_ranked_among_negatives_by_weight() -> None:
    one = watch()
    negatives = [Answer(0, 0.0, 0.1, ()), Answer(0, 0.0, 0.9, (), 9.0)]
    one.take(negatives)
    assert one._rank(0.5) == pytest.approx(0.1)


def test_examples_weigh_what_they_stand_for() -> None:
    domain = replace(domains.load("payments"), drift=DRIFT)
    records = [
        {"id": f"e{n}", "time": row.time, "label": row.label, "probability": row.probability,
         "seen": 1 / row.weight, "slices": {}}
        for n, row in enumerate(stopped(answers(days=88, others=-2.0), 32))
    ]  # fmt: skip
    weighed, alone = (next(w for w in watchers(domain, 1) if w.key == "positives") for _ in "12")
    assert weighed.take(records) == []
    assert alone.take([{**record, "seen": 1.0} for record in records])
