from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import report
from benchmarks.commands import app
from benchmarks.compare import compare
from benchmarks.comparison import Change
from benchmarks.freshness.delays import delay
from benchmarks.latency import results
from benchmarks.latency.results import Found, Options, Result, Run
from benchmarks.storing import save

Summarised = Callable[..., Run]


@pytest.fixture
def measure(summarised: Summarised) -> Callable[..., Result]:
    """A result of runs whose latencies are drawn; runs wander by 5 % around each other."""

    def make(seed: int, runs: int = 1, factor: float = 1.0) -> Result:
        rng = np.random.default_rng(seed)
        made = []
        for number in range(runs):
            mood = rng.lognormal(0, 0.05) if runs > 1 else 1.0
            took = factor * mood * rng.lognormal(0.5, 0.6, 5_000)
            made.append(summarised(took, seed=seed + number))
        return results.make(Options(), made, None)

    return make


def of(changes: list[Change], metric: str) -> Change:
    return next(change for change in changes if change.metric == metric)


@pytest.mark.parametrize("runs", [1, 4])
def test_nothing_changed_is_seldom_called_a_change(
    measure: Callable[..., Result], runs: int
) -> None:
    pairs = [compare(measure(seed, runs), measure(seed + 500, runs)) for seed in range(10)]
    assert sum(any(change.changed for change in pair.changes) for pair in pairs) <= 1


@pytest.mark.parametrize("runs", [1, 4])
def test_a_third_slower_is_called_a_change(measure: Callable[..., Result], runs: int) -> None:
    found = compare(measure(1, runs), measure(2, runs, factor=1.33))
    change = of(found.changes, "p99")
    assert change.changed
    assert change.low < 1.33 < change.high or change.ratio == pytest.approx(1.33, rel=0.1)


def test_single_runs_come_with_a_warning_and_repeated_ones_without(
    measure: Callable[..., Result],
) -> None:
    single, repeated = compare(measure(1), measure(2)), compare(measure(1, 3), measure(2, 3))
    assert "bootstrap" in single.method
    assert any("--repeats" in note for note in single.notes)
    assert "Welch" in repeated.method
    assert not repeated.notes


def test_what_is_not_the_same_measurement_is_listed(measure: Callable[..., Result]) -> None:
    a, b = measure(1), measure(2)
    b = msgspec.structs.replace(
        b,
        options=msgspec.structs.replace(b.options, rate=500.0),
        machine=msgspec.structs.replace(b.machine, cpu="abacus"),
    )
    told = compare(a, b).unlike
    assert any(line.startswith("rate:") for line in told)
    assert any("abacus" in line for line in told)
    assert compare(a, a).unlike == []


def test_more_over_the_budget_is_called_a_change(measure: Callable[..., Result]) -> None:
    change = of(compare(measure(1), measure(2, factor=8)).changes, "share over budget")
    assert change.changed
    assert change.b > change.a


@pytest.mark.parametrize("runs", [1, 3])
def test_shedding_the_slow_ones_is_no_improvement(summarised: Summarised, runs: int) -> None:
    """The second server sheds what the first answers late, 2 % of all, and is no faster else."""

    def made(sheds: bool, seed: int) -> Run:
        rng = np.random.default_rng(seed)
        took = np.where(rng.random(5_000) < 0.02, 80.0, rng.lognormal(0.5, 0.6, 5_000))
        return summarised(took, seed=seed, shed=sheds & (took == 80.0))

    kept, shed = (
        results.make(Options(), [made(sheds, seed + 10 * sheds) for seed in range(runs)], None)
        for sheds in (False, True)
    )
    found = compare(kept, shed)
    assert of(found.changes, "p99").b == np.inf
    assert not any(change.changed and change.ratio < 1 for change in found.changes)
    assert of(compare(shed, kept).changes, "p99").changed is (runs == 1)


@pytest.fixture
def bursting(summarised: Summarised) -> Callable[..., Result]:
    """Runs of 3,000 requests with two bursts of late answers on average, and `late` of the rest."""

    def make(seed: int, runs: int, bursts: float = 2.0, late: float = 0.0) -> Result:
        made = []
        for number in range(runs):
            rng = np.random.default_rng([seed, number])
            took = rng.lognormal(0.5, 0.6, 3_000) + 60 * (rng.random(3_000) < late)
            for at in rng.integers(0, 2_900, rng.poisson(bursts)):
                took[at : at + rng.integers(20, 100)] += 60
            made.append(summarised(took, seed=seed))
        return results.make(Options(), made, None)

    return make


@pytest.mark.parametrize(("runs", "pairs"), [(1, 12), (3, 5)])
def test_bursts_of_the_same_server_are_seldom_called_a_change(
    bursting: Callable[..., Result], runs: int, pairs: int
) -> None:
    """Taken as independent requests, their shares differ in seven pairs of ten."""
    found = [compare(bursting(seed, runs), bursting(seed + 100, runs)) for seed in range(pairs)]
    shares = [of(each.changes, "share over budget") for each in found]
    assert sum(share.changed for share in shares) <= 1
    assert any(share.a != share.b for share in shares)


@pytest.mark.parametrize("runs", [1, 3])
def test_from_none_late_to_some_is_a_change_without_a_ratio(
    bursting: Callable[..., Result], runs: int
) -> None:
    found = compare(bursting(1, runs, bursts=0), bursting(2, runs, bursts=0, late=0.05))
    change = of(found.changes, "share over budget")
    assert change.changed
    assert change.a == 0
    assert change.b == pytest.approx(0.05, rel=0.3)
    assert np.isnan(change.ratio)
    same = of(compare(bursting(1, runs, 0), bursting(2, runs, 0)).changes, "share over budget")
    assert not same.changed
    assert np.isnan([same.ratio, same.low, same.high]).all() or runs == 1
    console = Console(file=StringIO(), width=120)
    console.print(report.compared(found))
    assert isinstance(console.file, StringIO)
    [row] = [line for line in console.file.getvalue().splitlines() if "share over" in line]
    assert "–" in row


def test_three_runs_of_one_late_request_each_are_no_change_from_none(
    summarised: Summarised,
) -> None:
    """Figures that never vary would be sure by Welch's test alone."""
    took = np.random.default_rng(1).lognormal(0.5, 0.6, 1_000)
    late = np.where(np.arange(1_000) == 500, 60.0, took)
    none, one = (
        results.make(Options(), [summarised(each) for _ in range(3)], None) for each in (took, late)
    )
    assert not of(compare(none, one).changes, "share over budget").changed


def test_highest_rates_differ_only_where_their_brackets_do(
    measure: Callable[..., Result],
) -> None:
    def searched(inside: float, outside: float) -> Result:
        found = Found(inside=inside, outside=outside, limited_by_generator=False, probes=[])
        return msgspec.structs.replace(measure(1), search=found)

    near = compare(searched(1000, 1050), searched(1020, 1070))
    far = compare(searched(1000, 1050), searched(1060, 1110))
    assert not of(near.changes, "highest rate").changed
    assert of(far.changes, "highest rate").changed


def test_a_result_without_a_right_answer_cannot_be_compared(
    measure: Callable[..., Result],
) -> None:
    empty = msgspec.structs.replace(measure(1), runs=[])
    with pytest.raises(ValueError, match="first result has no run"):
        compare(empty, measure(1))


@pytest.mark.parametrize("cut", [0, 30])
def test_a_damaged_histogram_is_told_with_its_file_and_place(
    measure: Callable[..., Result], tmp_path: Path, cut: int
) -> None:
    whole, damaged = tmp_path / "whole.json", tmp_path / "damaged.json"
    result = measure(1, 2)
    save(result, whole)
    kept = result.runs[1].histogram
    damaged.write_text(whole.read_text().replace(kept, kept[:cut]))
    ran = CliRunner().invoke(app, ["compare", str(whole), str(damaged)], env={"COLUMNS": "500"})
    assert ran.exit_code == 2
    assert f"{damaged} is no result of a benchmark: `histogram` is" in ran.output
    assert "$.runs[1]" in ran.output


def test_a_delay_with_a_damaged_histogram_is_refused() -> None:
    found = delay(np.arange(1000.0), np.arange(1000.0) + 0.05)
    with pytest.raises(ValueError, match="`histogram` is 'HIST'"):
        msgspec.structs.replace(found, histogram="HIST")
