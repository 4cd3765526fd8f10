"""The payments simulator keeps its promises: seeded, rare fraud, and drift where it was planted."""

import math
from collections import Counter
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest

from schemas.dataset import NoSuchData, load
from schemas.declare import DAY
from schemas.payments import dataset, frauds
from schemas.payments.frauds import FRAUDS
from schemas.payments.simulator import Payments, Planted, World, plants, simulate


def _rate(payments: Payments, kind: str, first: float, last: float) -> float:
    day = payments.time / DAY
    chosen = payments.fraud[(day >= first) & (day < last)]
    return float((chosen == FRAUDS.index(kind)).mean())


def test_same_seed_same_stream() -> None:
    one, two = list(dataset.replay(days=3, seed=7)), list(dataset.replay(days=3, seed=7))
    assert one == two
    assert one != list(dataset.replay(days=3, seed=8))


def test_stream_is_in_time_order_with_every_payment_asked_before_it_is_booked() -> None:
    stream = list(dataset.replay(days=5))
    assert all(a.time_ms <= b.time_ms for a, b in pairwise(stream))
    asked = {s.record["id"]: s.time_ms for s in stream if s.stream == "requests"}
    booked = {s.record["payment"]: s.time_ms for s in stream if s.name == "payment"}
    assert asked.keys() == booked.keys()
    assert all(asked[key] < booked[key] for key in asked)


def test_chargebacks_come_one_to_thirty_days_later_for_most_frauds_and_never_for_genuine() -> None:
    payments = simulate(World(365))
    fraud = payments.fraud > 0
    assert 0.001 < fraud.mean() < 0.01
    delays = payments.chargeback[fraud & (payments.chargeback > 0)] / DAY
    assert delays.min() >= 1
    assert delays.max() <= 30
    assert 0.8 < (payments.chargeback[fraud] > 0).mean() < 0.9
    assert not payments.chargeback[~fraud].any()


def test_labels_are_the_disputed_frauds_of_the_truth() -> None:
    labels = {s.record["id"] for s in dataset.replay(days=90) if s.stream == "labels"}
    asked = {s.record["id"] for s in dataset.replay(days=90) if s.stream == "requests"}
    disputed = {t["payment"] for t in dataset.truth() if t.get("disputed")}
    assert labels == disputed & asked
    assert len(labels) > 30


def test_weeks_and_days_have_a_rhythm() -> None:
    payments = simulate(World(70))
    weekday = Counter((payments.time // DAY % 7).tolist())
    assert weekday[5] > 1.5 * weekday[6]
    hour = payments.time % DAY / (DAY / 24)
    assert (hour < 5).mean() < 0.02


def _expected(payments: Payments, world: World) -> dict[str, float]:
    """The share of payments that are each fraud, where nothing is planted."""
    cards = frauds.cards(world.customers, world.days, payments.customer).share
    terminals = frauds.terminals(world.terminals, world.days, payments.terminal).share
    rates, single = frauds.RATES, frauds.RATES["amount"]
    return {
        "amount": single,
        "card": rates["card"] * cards * (1 - single),
        "terminal": rates["terminal"] * terminals * (1 - cards) * (1 - single),
    }


def _spread(payments: Payments, chosen: np.ndarray, kind: str) -> float:
    """Variance of a count of frauds that come by campaigns, whose number is Poisson."""
    if kind == "amount":
        return float(chosen.sum())
    thing = payments.terminal if kind == "terminal" else payments.customer
    return float((np.bincount(thing[chosen]) ** 2).sum())


@pytest.mark.parametrize("factor", [0.3, 3, 10, 50])
def test_planted_label_shift_multiplies_every_kind_of_fraud_at_once(factor: float) -> None:
    counted, wanted, variance = (dict.fromkeys(("amount", "terminal", "card"), 0.0) for _ in "123")
    for seed in range(3):
        world = World(45, seed, 1_000, 1_000, plants([f"label@15x{factor}"]))
        payments = simulate(world)
        after = payments.time >= 15 * DAY
        for kind, share in _expected(payments, world).items():
            chosen = after & (payments.fraud == FRAUDS.index(kind))
            counted[kind] += chosen.sum()
            wanted[kind] += factor * share * after.sum()
            variance[kind] += _spread(payments, chosen, kind)
    for kind, count in counted.items():
        assert abs(count - wanted[kind]) < 3.5 * math.sqrt(variance[kind]), kind


def test_planted_label_shift_is_there_from_its_first_days_on() -> None:
    early = [
        (payments.fraud[payments.time // DAY // 3 == 5] > 0).mean()
        for seed in range(3)
        for payments in [simulate(World(18, seed, 1_000, 1_000, plants(["label@15x10"])))]
    ]
    assert np.mean(early) == pytest.approx(0.05, rel=0.25)


def test_planted_concept_drift_swaps_one_fraud_for_another() -> None:
    payments = simulate(World(120, planted=plants(["concept@60"])))
    assert _rate(payments, "amount", 0, 60) > 0.001
    assert _rate(payments, "amount", 60, 120) == 0
    assert _rate(payments, "abroad", 0, 60) == 0
    assert _rate(payments, "abroad", 60, 120) > 0.001


def test_planted_covariate_drift_changes_amounts_and_opens_merchants() -> None:
    payments = simulate(World(60, planted=plants(["covariate@30x2"])))
    late = payments.time >= 30 * DAY
    ratio = np.median(payments.amount[late]) / np.median(payments.amount[~late])
    assert 1.8 < ratio < 2.2
    assert "games" in payments.kind[late]
    assert "games" not in payments.kind[~late]


def test_planted_lag_delays_the_feed_and_not_the_event_time() -> None:
    stream = [s for s in dataset.replay(days=4, plant=["lag@2x6"]) if s.name == "payment"]
    late = {(s.time_ms - s.record["time"]) // 3_600_000 for s in stream}
    assert late == {0, 6}


def test_every_month_of_every_seed_has_fraud_of_each_kind_and_little_of_it() -> None:
    for seed in range(4):
        payments = simulate(World(365, seed=seed))
        fraud = payments.fraud > 0
        assert fraud.mean() < 0.01
        assert set(payments.fraud[fraud].tolist()) == {1, 2, 3}
        month = payments.time // (30 * DAY)
        assert all(fraud[month == m].mean() < 0.015 for m in range(12))


def test_a_terminal_is_compromised_for_weeks_and_a_card_for_days() -> None:
    payments = simulate(World(365, seed=1))
    for kind, longest in (("terminal", 21), ("card", 7)):
        stolen = payments.fraud == FRAUDS.index(kind)
        thing = payments.terminal if kind == "terminal" else payments.customer
        spans = [
            (days.max() - days.min()) / DAY
            for one in set(thing[stolen].tolist())
            if len(days := payments.time[stolen & (thing == one)]) > 1
        ]
        assert longest / 2 < np.median(spans) <= longest


@pytest.mark.parametrize("plant", ["label@30x10", "label@30x0.5", "concept@30", "covariate@30"])
def test_until_a_drift_begins_everything_is_as_in_the_world_without_it(plant: str) -> None:
    plain, planted = simulate(World(60)), simulate(World(60, planted=plants([plant])))
    before = plain.time < 30 * DAY
    for field in fields(Payments):
        one, two = getattr(plain, field.name), getattr(planted, field.name)
        assert np.array_equal(one[before], two[before]), field.name
    assert not np.array_equal(plain.amount, planted.amount)
    assert np.array_equal(plain.time, planted.time)


def test_truth_tells_the_drifts_and_the_frauds_of_the_part_that_is_replayed() -> None:
    plant = ["label@10x3", "lag@12"]
    lines = list(dataset.truth(20, seed=3, plant=plant))
    drifts = [line for line in lines if line["what"] == "drift"]
    assert [(d["drift"], d["strength"]) for d in drifts] == [("label", 3.0), ("lag", 6.0)]
    assert drifts[0]["time"] == dataset.EPOCH + 10 * DAY
    usual = [line["time"] for line in dataset.truth(20, seed=3, plant=["lag@12"])]
    since = sum(time >= drifts[0]["time"] for time in usual[1:])
    more = sum(line["time"] >= drifts[0]["time"] for line in lines[2:])
    assert drifts[0]["measured"] == round(more / since, 3)
    assert "measured" not in drifts[1]
    frauds = {line["payment"]: line for line in lines if line["what"] == "fraud"}
    stream = list(dataset.replay(days=20, seed=3, plant=plant))
    asked = {s.record["id"]: s.time_ms for s in stream if s.stream == "requests"}
    assert frauds.keys() <= asked.keys()
    assert all(frauds[id_]["time"] == asked[id_] for id_ in frauds)
    labels = {s.record["id"] for s in stream if s.stream == "labels"}
    assert labels == {id_ for id_, fraud in frauds.items() if fraud["disputed"]}


def test_nothing_can_be_planted_in_so_many_words() -> None:
    assert plants(["nothing"]) == ()
    with pytest.raises(NoSuchData, match="recorded"):
        load("flights").replay(days=1, plant=["label@3"])
    with pytest.raises(NoSuchData, match=r"label@9 would start after .* day 5 "):
        dataset.replay(days=5, plant=["label@9"])


@pytest.mark.parametrize(
    "text",
    ["label", "labels@3", "label@x3", "concept@-1", "label@1.2.3", "label@3x0", "concept@35x7"],
)
def test_what_cannot_be_planted_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected (DRIFT@DAY|a strength|concept@DAY)"):
        Planted.parse(text)


def test_more_than_fits_is_refused_and_the_most_is_named() -> None:
    assert Planted.parse("label@3x50").strength == frauds.MOST_FRAUD
    with pytest.raises(NoSuchData, match="'label@3x51'; expected at most x50"):
        Planted.parse("label@3x51")
    with pytest.raises(NoSuchData, match="'lag@3x1000000000000'; expected at most x8784"):
        Planted.parse("lag@3x1000000000000")


def test_a_drift_planted_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="planted twice"):
        plants(["label@3", "label@4"])
