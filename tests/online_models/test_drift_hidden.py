"""Decisions that hide outcomes: what is let through by lot stands for what is not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from online_models.drift import ArmWatch, Budget, Watch
from online_models.drift.cells import cells_of
from online_models.drift.columns import label_columns
from online_models.drift.packets import Answer, Packet
from online_models.drift.watcher import Watcher
from online_models.drift.weighing import Weighing, planes
from schemas.declare import DAY, Drift

DRIFT = Drift(warm_up=0, reference=28 * DAY, long=3)
BUDGET = Budget(DRIFT, inputs=1, arms=1)
A_DAY, BEGUN, CHANGED, DAYS = 400, 32, 45, 60
LET_THROUGH, STOPPED = 0.1, 0.5
"""Stopped is what has such a probability: one answer in eight, and nearly every other positive."""


def answers(seed: int, later: float = 0.2) -> list[Answer]:
    """Of a calibrated model, positives of a fifth, from day CHANGED on of another rate; from day
    BEGUN on a policy stops the probable."""
    rng = np.random.default_rng(seed)
    at = np.arange(DAYS * A_DAY, dtype=np.int64) * (DAY // A_DAY) + 1_000 * DAY
    day = np.arange(len(at)) // A_DAY
    positive = rng.random(len(at)) < np.where(day < CHANGED, 0.2, later)
    x = rng.normal(np.where(positive, 0.8, -0.8), 1.0)
    p = 1 / (1 + np.exp(-(1.6 * x + np.log(0.2 / 0.8))))
    stopped = (day >= BEGUN) & (p >= STOPPED)
    known = ~stopped | (rng.random(len(at)) < LET_THROUGH)
    weights = np.where(stopped, 1 / LET_THROUGH, 1.0)
    rows = np.column_stack([at, positive, p, weights])[known].tolist()
    return [Answer(int(t), y, q, (), w) for t, y, q, w in rows]


def of_label(known: list[Answer]) -> list[tuple[float, str]]:
    """Day and direction of the alarms of the label."""
    times = np.array([answer.time for answer in known], np.int64)
    labels = np.array([[answer.label] for answer in known])
    weights = np.array([answer.weight for answer in known])
    watch = Watch("d", label_columns(), BUDGET, 1)
    return opened(watch.take(times, labels, [()] * len(known), weights))


def of_loss(known: list[Answer]) -> list[tuple[float, str]]:
    return opened(ArmWatch("d", "served", BUDGET, 1).take(known))


def opened(told: list[dict[str, Any]]) -> list[tuple[float, str]]:
    alarms = [record for record in told if record["state"] == "opened"]
    return [((alarm["opened"] - 1_000 * DAY) / DAY, alarm["direction"]) for alarm in alarms]


@pytest.mark.parametrize(
    ("watched", "number", "share"), [(of_label, 6, 1 / 8), (of_loss, 2, 2 / 3)]
)
def test_a_policy_that_begins_to_stop_changes_nothing(
    watched: Any, number: int, share: float
) -> None:
    false = sum(len(watched(answers(seed))) for seed in range(number))
    assert false <= stats.poisson.ppf(0.99, share * number * (DAYS - 29) / 30)


def test_where_all_weigh_one_it_seems_to() -> None:
    """The rate of what is seen falls by two fifths."""
    alone = [answer._replace(weight=1.0) for answer in answers(1)]
    (first, *_) = of_label(alone)
    assert first[1] == "down"
    assert BEGUN <= first[0] < CHANGED


@pytest.mark.parametrize(("later", "direction"), [(0.45, "up"), (0.05, "down")])
def test_another_rate_is_found_all_the_same(later: float, direction: str) -> None:
    (first, *_) = of_label(answers(2, later))
    assert first[1] == direction
    assert CHANGED <= first[0] < CHANGED + 5


def test_records_weigh_what_they_stand_for() -> None:
    known = answers(1)
    records = [
        {
            "id": str(place),
            "time": a.time,
            "label": a.label,
            "seen": 1 / a.weight,
            "probability": 0.3,
        }
        for place, a in enumerate(known)
    ]
    label = Watcher("label", "examples", Watch("d", label_columns(), BUDGET, 1))
    assert label.take(records) == []
    assert [Answer.of(record, 0.3).weight for record in records] == [a.weight for a in known]


def test_ten_of_everything_are_as_many_as_one_of_everything() -> None:
    labels = np.random.default_rng(1).integers(0, 2, (500, 1)).astype(np.float64)
    cells = cells_of(label_columns(), labels)
    bare = planes(cells.codes(labels), None)
    tenfold = planes(cells.codes(labels), np.full(500, 10.0))
    assert Weighing.of(cells, tenfold).effective(tenfold) == pytest.approx(bare[0])


def test_a_rate_is_as_unsure_as_its_weights_make_it() -> None:
    """A rate varies, over many draws, as that of so many records as are said to count."""
    rng, cells = np.random.default_rng(2), cells_of(label_columns(), np.array([[0.0], [1.0]]))
    whole = planes(cells.codes(np.repeat([[0.0], [1.0]], [8_000, 2_000], axis=0)), np.ones(10_000))
    rates, numbers, weighing = [], [], Weighing.of(cells, whole)
    for _ in range(1_000):
        label = (rng.random(400) < 0.2).astype(np.float64)
        hidden = rng.random(400) < np.where(label > 0, 0.5, 0.05)
        kept = ~hidden | (rng.random(400) < LET_THROUGH)
        weights = np.where(hidden, 1 / LET_THROUGH, 1.0)[kept]
        block = planes(cells.codes(label[kept, None]), weights)
        weighing.take(block)
        rates.append(np.average(label[kept], weights=weights))
        numbers.append(weighing.effective(block).sum())
    assert np.mean(rates) == pytest.approx(0.2, abs=0.01)
    assert 0.7 < np.mean(numbers) * np.var(rates) / (0.2 * 0.8) < 1.1


def test_a_packet_weighs_its_answers() -> None:
    light = [Answer(place, 0.0, 0.1, ()) for place in range(90)]
    packet = Packet.of([*light, Answer(99, 1.0, 0.5, (), 10.0)])
    assert packet.mean == pytest.approx((90 * -np.log(0.9) - 10 * np.log(0.5)) / 100)
    assert packet.effect > 5
    assert Packet.of([*light, Answer(99, 1.0, 0.5, ())]).effect == 1.0
