"""Synthetic truths: what is planted is found and named, what is not is not, within the budget."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river import drift as river_drift
from scipy import special, stats

from online_models.drift import ArmWatch, Budget, Column, Watch, arms
from online_models.drift.calibration import _kolmogorov, measured, null
from online_models.drift.cells import CELLS, cells_of, counted
from online_models.drift.columns import label_columns, number_of_tests
from online_models.drift.detectors import TOLERATED, Adwin, _highest
from online_models.drift.findings import Finding
from online_models.drift.packets import Answer, Packet
from online_models.drift.recent import Recent
from online_models.drift.statistics import ks, psi, rate
from schemas.declare import DAY, HOUR, Drift

DRIFT = Drift(warm_up=0, reference=28 * DAY, records=100)
COLUMNS = (Column("feature", "a"), Column("feature", "b"), Column("feature", "c", "category"))
A_DAY = 100
F8 = NDArray[np.float64]


def budget(columns: Any = COLUMNS, arms: int = 1) -> Budget:
    return Budget(DRIFT, number_of_tests(columns), arms)


def times(days: int) -> NDArray[np.int64]:
    return np.arange(days * A_DAY, dtype=np.int64) * (DAY // A_DAY) + 1_000 * DAY


def day_of(time: int) -> float:
    return (time - 1_000 * DAY) / DAY


def quiet(days: int, seed: int, wander: float = 0.0) -> F8:
    """Three columns; `wander` is how far the level of a day lies off, in standard deviations."""
    rng = np.random.default_rng(seed)
    n = days * A_DAY
    level = np.repeat(rng.normal(0, wander, days), A_DAY) if wander else 0.0
    unknown = np.where(rng.random(n) < 0.1, np.nan, rng.exponential(1, n))
    return np.column_stack([rng.normal(level, 1, n), unknown, rng.integers(0, 5, n)])


def watched(values: F8, columns: Any = COLUMNS, **more: Any) -> list[dict[str, Any]]:
    days = len(values) // A_DAY
    watch = Watch("d", columns, budget(columns), seed=1)
    return watch.take(times(days), values, more.get("slices") or [()] * len(values))


def opened(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record["state"] == "opened"]


@pytest.mark.parametrize("wander", [0.0, 0.3])
def test_false_alarms_keep_to_the_budget(wander: float) -> None:
    """Also where days differ: an independence test would reject two days in three there."""
    number, days = 12, 88
    false = sum(len(opened(watched(quiet(days, seed, wander)))) for seed in range(number))
    allowed = number * (days - 29) / 30 * DRIFT.false_alarms / 8  # the rest: labels, losses
    assert false <= stats.poisson.ppf(0.999, allowed)


def test_one_slow_cause_of_a_whole_distance_keeps_to_the_budget() -> None:
    """A level that days pass on moves all groups of PSI together; 2 of 20 tests are made here."""
    number, days, false = 12, 88, 0
    for seed in range(number):
        rng = np.random.default_rng(seed)
        values = rng.normal(0, 1, days * A_DAY)
        level = np.zeros(days)
        for day in range(1, days):
            level[day] = 0.9 * level[day - 1] + rng.normal(0, 0.15)
        values += np.repeat(level, A_DAY)
        watch = Watch("d", COLUMNS[:1], Budget(DRIFT, inputs=20, arms=1), seed=1)
        false += len(opened(watch.take(times(days), values[:, None], [()] * len(values))))
    allowed = number * (days - 29) / 30 * DRIFT.false_alarms / 8 * 2 / 20
    assert false <= stats.poisson.ppf(0.999, allowed)


def test_a_rare_label_that_comes_in_bursts_is_not_rarer_than_it_seems() -> None:
    """Half a label is expected in a window: chance alone gives five of them now and then."""
    rng = np.random.default_rng(7)
    ones = rng.poisson(rng.exponential(0.6, (116, 400)))
    counts = np.zeros((*ones.shape, CELLS))
    counts[..., 0], counts[..., 1] = 250 - ones, ones
    cells = cells_of(label_columns() * 400, np.zeros((1, 400)))
    learned = null("rate", cells, counts[:56, None], 1, 1e-4)
    p = learned.p(rate(counts[56:], counts[:56].sum(0)), np.full(400, 250.0))
    assert (p < 1e-3).sum() <= stats.binom.ppf(0.999, p.size, 1e-3)


def test_days_that_differ_would_fool_a_test_of_independent_records() -> None:
    values = quiet(60, 1, wander=0.3)[:, 0].reshape(60, A_DAY)
    rejected = sum(stats.ks_2samp(day, values[:28].ravel()).pvalue < 0.01 for day in values[28:])
    assert rejected > stats.binom.ppf(0.999, 32, 0.01)


@pytest.mark.parametrize(("shift", "direction"), [(1.0, "up"), (-1.0, "down")])
def test_a_shift_is_found_named_and_dated(shift: float, direction: str) -> None:
    values = quiet(60, 3)
    values[40 * A_DAY :, 0] += shift
    (first, *_) = opened(watched(values))
    assert (first["what"], first["name"], first["kind"]) == ("feature", "a", "covariate")
    assert first["direction"] == direction
    assert 40 <= day_of(first["opened"]) < 42
    assert 38.9 < day_of(first["since"]) < 42
    assert first["statistic"] > first["threshold"]
    assert 0 <= first["p"] < 1e-4
    assert sum(first["reference"]) == pytest.approx(1)
    assert sum(first["recent"]) == pytest.approx(1)
    assert len(first["bins"]) == len(first["recent"]) == len(first["reference"])


def test_more_unknown_values_are_found() -> None:
    values = quiet(60, 4)
    values[45 * A_DAY :, 1] = np.where(np.arange(15 * A_DAY) % 2, values[45 * A_DAY :, 1], np.nan)
    names = {alarm["name"] for alarm in opened(watched(values))}
    assert "b" in names


def test_values_that_become_unknown_have_moved_neither_up_nor_down() -> None:
    values = quiet(60, 4)
    values[45 * A_DAY + 1 :, :2] = np.nan  # a window with one known value tells nothing either
    alarms = [alarm for alarm in watched(values) if alarm["name"] in "ab"]
    assert {alarm["name"] for alarm in alarms} == {"a", "b"}
    assert {alarm["direction"] for alarm in alarms} == {"shape"}


def test_the_cell_above_a_frequent_value_is_named_apart_from_it() -> None:
    columns = (Column("feature", "a"), Column("feature", "b"))
    cells = cells_of(columns, np.column_stack([np.repeat([0.0, 1.0, 2.5], 100), [np.nan] * 300]))
    assert cells.names(0) == ["< 0", "0", "> 0 to 1", "1", "> 1 to 2.5", "2.5", "> 2.5", "unknown"]
    assert cells.names(1) == ["known", "unknown"]
    ties = np.repeat([-1.0, 0.0], [16, 15])
    few = cells_of(columns[:1], np.concatenate([ties, np.linspace(1, 2, 169)])[:, None]).names(0)
    assert few[0] == "≤ 0"
    assert few[1].startswith("> 0 to 1.")


def test_a_column_that_was_always_the_same_is_found_when_it_changes() -> None:
    """Also in blocks of one size, where all that its distances differ by is rounding."""
    columns = (*COLUMNS[:2], Column("feature", "c", "category"))
    before, after = np.array([[3.0, np.nan, 0.0]] * 60), np.array([[4.0, 1.0, 7.0]] * 60)
    cells = cells_of(columns, before)
    reference, window = (counted(cells.codes(rows)) for rows in (before, after))
    for number in (28, 36, 140):
        blocks = np.repeat(reference[None, None], number, axis=0)
        for test, seen in (("psi", [0, 1, 2]), ("ks", [0])):
            learned = null(test, cells, blocks, 1, 1e-6)  # type: ignore[arg-type]
            found = measured(test, cells, window, reference * number)  # type: ignore[arg-type]
            assert (found > learned.threshold(np.full(3, 60.0)))[seen].all(), (number, test)
            same = measured(test, cells, reference, reference * number)  # type: ignore[arg-type]
            assert (learned.p(same, np.full(3, 60.0)) > 0.5).all()


def test_a_category_never_seen_before_is_found() -> None:
    values = quiet(60, 5)
    values[45 * A_DAY :: 2, 2] = 77.0
    (first, *_) = [a for a in opened(watched(values)) if a["name"] == "c"]
    assert first["recent"][first["bins"].index("other")] == pytest.approx(0.5, abs=0.1)


def test_an_alarm_opens_is_updated_and_closes() -> None:
    values = quiet(80, 6)
    values[40 * A_DAY : 44 * A_DAY, 0] += 0.8
    values[44 * A_DAY : 48 * A_DAY, 0] += 3.0
    mine = [record for record in watched(values) if record["name"] == "a"]
    assert mine[0]["state"] == "opened"
    assert mine[-1]["state"] == "closed"
    assert "updated" in [record["state"] for record in mine]
    assert len({record["id"] for record in mine}) == 1
    assert sorted(record["time"] for record in mine) == [record["time"] for record in mine]
    assert 55 <= day_of(mine[-1]["time"]) < 64  # the last long window that held it, and calm


def test_an_alarm_stays_open_while_the_next_block_by_count_fills() -> None:
    """Seven blocks of an hour are over long before there are a hundred records more."""
    values = quiet(60, 6)
    values[41 * A_DAY :, 0] += 1.5
    hourly = Budget(replace(DRIFT, block=HOUR), number_of_tests(COLUMNS), arms=1)
    told = Watch("d", COLUMNS, hourly, seed=1).take(times(60), values, [()] * len(values))
    mine = [record["state"] for record in told if record["name"] == "a"]
    assert (mine.count("opened"), mine.count("closed")) == (1, 0)


def test_what_stays_becomes_the_reference() -> None:
    values = quiet(130, 7)
    values[40 * A_DAY :, 0] += 2.0
    mine = [record for record in watched(values) if record["name"] == "a"]
    assert [record["state"] for record in mine].count("opened") == 1
    assert mine[-1]["state"] == "closed"
    assert 68 <= day_of(mine[-1]["time"]) < 72


def test_the_slice_that_moved_is_named() -> None:
    values = quiet(60, 8)
    slices = [(("country", "BE" if i % 2 else "FR"),) for i in range(len(values))]
    values[41 * A_DAY + 1 :: 2, 0] += 2.0
    (first, *_) = opened(watched(values, slices=slices))
    assert first["slice"] == "country=BE"


@pytest.mark.parametrize(("shift", "named"), [(0.0, {""}), (1.0, {"country=BE"})])
def test_a_small_slice_has_not_moved_most_by_chance(shift: float, named: set[str]) -> None:
    """A twentieth each are of FR, IT and NL; where BE moves, or what every slice has alike."""
    values, draw = quiet(60, 8), np.random.default_rng(5)
    countries = draw.choice(["BE", "FR", "IT", "NL"], len(values), p=[0.85, 0.05, 0.05, 0.05])
    late = np.arange(len(values)) >= 41 * A_DAY
    values[late & (countries == "BE"), 0] += shift
    columns = (Column("feature", "a"),)
    cells = cells_of(columns, values[: 28 * A_DAY, :1])
    codes, slices = cells.codes(values[:, :1]), [(("country", str(c)),) for c in countries]
    recent = Recent(cells, codes[: 28 * A_DAY], slices[: 28 * A_DAY])
    recent.add(codes[41 * A_DAY :], slices[41 * A_DAY :])
    found = Finding(
        what="feature", name="a", kind="covariate", test="psi", window="1 x day", time=0, since=0,
        statistic=1.0, threshold=0.5, p=None, direction="up", bins=[], reference=[], recent=[],
    )  # fmt: skip
    assert {recent.placed(found, size).slice for size in (1_000, 1_900)} == named


def test_batches_and_pickling_change_nothing() -> None:
    values, at = quiet(70, 9), times(70)
    values[40 * A_DAY : 50 * A_DAY, 0] += 1.5
    whole = watched(values)
    assert {record["state"] for record in whole} >= {"opened", "closed"}
    rng, out = np.random.default_rng(1), []
    watch = Watch("d", COLUMNS, budget(), seed=1)
    cuts = np.sort(rng.choice(len(values), 60, replace=False)).tolist()
    for first, last in zip([0, *cuts], [*cuts, len(values)], strict=True):
        out += watch.take(at[first:last], values[first:last], [()] * (last - first))
        watch = pickle.loads(pickle.dumps(watch))
    assert out == whole


def test_late_records_fall_into_their_own_day() -> None:
    values, at = quiet(70, 10), times(70)
    values[40 * A_DAY : 50 * A_DAY, 0] += 1.5
    order = np.argsort(at + np.random.default_rng(2).integers(0, DRIFT.late // 2, len(at)))
    watch = Watch("d", COLUMNS, budget(), seed=1)
    late = watch.take(at[order], values[order], [()] * len(at))
    named = [(a["name"], a["state"], day_of(a["opened"]) // 1) for a in late]
    assert named == [(a["name"], a["state"], day_of(a["opened"]) // 1) for a in watched(values)]


def test_an_alarm_keeps_its_id_where_records_come_in_another_order_after_a_crash() -> None:
    """At the live edge nothing waits for a partition; read again they come in their order."""
    values, at = quiet(60, 10), times(60)
    values[40 * A_DAY : 45 * A_DAY, 0] += 1.5
    kept, early = Watch("d", COLUMNS, budget(), seed=1), 39 * A_DAY
    kept.take(at[:early], values[:early], [()] * early)
    told = []
    for late in (0, DAY // 20):
        order = early + np.argsort(at[early:] + np.arange(len(at) - early) % 2 * late)
        watch = pickle.loads(pickle.dumps(kept))
        out = watch.take(at[order], values[order], [()] * len(order))
        told.append([record for record in out if record["name"] == "a"])
    first, again = told
    assert first[0]["opened"] != again[0]["opened"]
    assert {record["id"] for record in first} == {record["id"] for record in again}
    assert first[-1]["state"] == again[-1]["state"] == "closed"


def test_label_shift_is_found() -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random(70 * A_DAY) < 0.1).astype(np.float64)
    labels[45 * A_DAY :] = rng.random(25 * A_DAY) < 0.4
    (first, *_) = opened(watched(labels[:, None], label_columns()))
    assert (first["what"], first["kind"], first["direction"]) == ("label", "label", "up")
    assert 45 <= day_of(first["opened"]) < 48
    assert first["bins"][:2] == ["0", "1"]


def answers(changed: str, seed: int = 1) -> list[Answer]:
    """Answers of a calibrated model; from day 60 on something changes. "label, mostly" is of a rare
    label, and changes a bit of what is within the classes, as the one seldom comes alone."""
    rng = np.random.default_rng(seed)
    at = times(120)
    late = np.arange(len(at)) >= 60 * A_DAY
    rare = changed == "label, mostly"
    rate, other = (0.03, 0.12) if rare else (0.3, 0.7)
    more = late & changed.startswith("label")
    positive = rng.random(len(at)) < np.where(more, other, rate)
    x = rng.normal(np.where(positive, 1.0, -1.0), 1.0) - 0.2 * (late & rare)
    p = 1 / (1 + np.exp(-(2 * x + np.log(rate / (1 - rate)))))
    if changed == "covariate":
        p = np.where(late, 0.35 + 0.3 * p, p)  # harder, and the model says so
        positive = np.where(late, rng.random(len(at)) < p, positive)
    if changed == "concept":
        positive = np.where(late, rng.random(len(at)) < 0.3, positive)
    rows = zip(at.tolist(), positive.astype(float).tolist(), p.tolist(), strict=True)
    return [Answer(t, y, q, ()) for t, y, q in rows]


@pytest.mark.parametrize("changed", ["covariate", "label", "label, mostly", "concept"])
def test_a_rise_of_the_loss_is_told_apart(changed: str) -> None:
    watch = ArmWatch("d", "tree", budget((Column("error", "tree"),)), seed=1)
    told = watch.take(answers(changed, seed=2))
    (first, *_) = told
    assert (first["what"], first["name"], first["state"]) == ("error", "tree", "opened")
    assert 60 <= day_of(first["opened"]) < 75
    own = [record for record in told if record["id"] == first["id"]]
    kind = changed.partition(",")[0]
    assert kind in {record["kind"] for record in own}
    assert own[-1]["kind"] == kind


def test_losses_that_move_against_each_other_are_no_label_shift() -> None:
    """The one class is answered better, the other worse: the rise is what the rate makes of it."""

    def packet(positives: int, high: float, low: float) -> Packet:
        rows = [(1.0, high, 1.0)] * positives + [(0.0, low, 1.0)] * (100 - positives)
        return Packet(0, 0.0, rows)

    old = [packet(30, 0.5, 0.1)]
    assert arms._by_labels(old, [packet(60, 0.5, 0.1)]) == pytest.approx(1.0)
    assert arms._by_labels(old, [packet(60, 0.7, 0.45)]) < arms.MOSTLY
    assert arms._by_labels(old, [packet(30, 0.5, 0.4)]) == 0.0


@pytest.mark.parametrize("rise", [1.0, 2.5])
def test_adwin_dates_a_rise_and_says_how_large_it_is(rise: float) -> None:
    ago, size = [], []
    for seed in range(10):
        values = np.random.default_rng(seed).normal(0, 0.5, 700)
        values[400:] += rise
        adwin = pickle.loads(pickle.dumps(Adwin(1e-4)))
        told = ((at, adwin.update(value)) for at, value in enumerate(values.tolist()))
        at, first = next((at, risen) for at, risen in told if risen)
        ago.append(at + 1 - first.ago)
        size.append(first.statistic)
        assert first.statistic >= first.threshold > 0
    assert np.median(ago) == pytest.approx(400, abs=3)
    assert np.median(size) == pytest.approx(rise, rel=0.25)


def test_an_arm_that_stays_good_is_quiet() -> None:
    false = 0
    for seed in range(10):
        watch = ArmWatch("d", "tree", budget((Column("error", "tree"),)), seed=1)
        false += len(opened(watch.take(answers("nothing", seed))))
    assert false <= stats.poisson.ppf(0.999, 10 * 91 / 30)


def test_an_arm_is_watched_alike_in_any_batches() -> None:
    rows = answers("concept")
    whole = ArmWatch("d", "tree", budget(), seed=1).take(rows)
    watch, out = ArmWatch("d", "tree", budget(), seed=1), []
    for first in range(0, len(rows), 333):
        out += watch.take(rows[first : first + 333])
        watch = pickle.loads(pickle.dumps(watch))
    assert out == whole
    assert whole


def test_ks_is_that_of_scipy_as_fine_as_the_cells() -> None:
    rng = np.random.default_rng(5)
    old, new = rng.normal(0, 1, (4_000, 1)), rng.normal(0.2, 1.1, (1_500, 1))
    cells = cells_of([Column("feature", "a")], old)
    mine = ks(counted(cells.codes(new)), counted(cells.codes(old)))[0]
    exact = stats.ks_2samp(old[:, 0], new[:, 0]).statistic
    assert exact - 1 / 64 < mine <= exact + 1e-12


def test_kolmogorov_is_that_of_scipy_once_the_scale_is_known() -> None:
    x = np.array([0.5, 1.0, 2.0, 6.0])
    got = _kolmogorov(x, np.full(4, 1e9))
    assert got == pytest.approx(special.kolmogorov(np.sqrt(x)), rel=1e-4)


def test_psi_is_zero_for_nothing_and_for_the_same() -> None:
    same = np.array([[10.0, 20.0, 30.0]])
    assert psi(0 * same, same)[0] == pytest.approx(0)
    assert psi(same * 1e6, same * 1e6)[0] == pytest.approx(0, abs=1e-6)
    assert psi(same[:, ::-1], same)[0] > 0.3


def test_page_hinkley_is_simulated_as_river_does_it() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0, 1, (5, 60))
    for row, highest in zip(values, _highest(values), strict=True):
        test = river_drift.PageHinkley(10, TOLERATED, 1e9, alpha=1.0, mode="up")
        seen = []
        for value in row.tolist():
            test.update(value)
            seen.append(test._sum_increase - test._min_increase)
        assert highest == pytest.approx(max(seen[9:]))


def test_the_shares_of_the_budget_add_up() -> None:
    whole = Budget(Drift(false_alarms=2.0), inputs=60, arms=4)
    tests = {"feature": 60, "label": 1, "error": 2 * 4}
    windows = [
        2 * number * times * whole.window_alpha(what, DAY * 30 / times)
        for what, number in tests.items()
        for times in (30, 90)
    ]
    windows.append(90 * whole.positives_alpha(DAY / 3))
    arms = 4 * (90 * whole.adwin_delta(DAY / 3) + whole.page_hinkley())
    assert sum(windows) + arms == pytest.approx(2.0)
