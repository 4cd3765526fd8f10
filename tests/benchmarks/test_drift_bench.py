"""The drift benchmark: what it counts, and that a strong drift is found on one seed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.compare import compare_files
from benchmarks.drift import detectors as bench
from benchmarks.drift import results
from benchmarks.drift import run as command
from benchmarks.drift.generators import synthetic_stream
from benchmarks.drift.hidden import STOPPED, stopped
from benchmarks.drift.run import CHANGED, FRESH, runs
from benchmarks.drift.tally import Tally
from benchmarks.drift.worlds import EPOCH, Stream, payments_stream
from benchmarks.machine import facts
from benchmarks.storing import load, save
from schemas.declare import DAY, Drift
from tests.benchmarks.left_over import left_of_session

DETECTED = (bench.HEADRACE, bench.ALWAYS, bench.NEVER)


@pytest.fixture(scope="module")
def planted() -> Stream:
    """Payments whose amounts and terminals change on day 125."""
    return payments_stream(1_000, "covariate")


def stream(planted: int | None = None) -> Stream:
    """A hundred days with one record each; the first thirty are not watched."""
    times = EPOCH + DAY * np.arange(101, dtype=np.int64)
    nothing = np.zeros(len(times))
    drift = Drift(warm_up=10 * DAY, reference=20 * DAY)
    return Stream((), drift, times, nothing[:, None], nothing, times, planted, "label")


def test_always_firing_is_false_every_day_and_never_firing_never() -> None:
    quiet = stream()
    tallies = {name: Tally("quiet", name) for name in (bench.ALWAYS, bench.NEVER)}
    for name, tally in tallies.items():
        tally.take(quiet, bench.DETECTORS[name](quiet, 1), EPOCH + 40 * DAY)
    always, never = tallies.values()
    assert (always.days, always.false, always.rate) == (70, 70, 30)
    assert (never.false, never.rate, never.interval()[0]) == (0, 0, 0)
    assert never.interval()[1] == pytest.approx(30 / 70 * 3.689, rel=1e-3)  # Poisson, 95 %
    assert (always.found, never.found) == (1, 0)
    assert (always.planted, never.planted) == (0, 0)


def test_only_alarms_within_the_days_after_the_drift_find_it() -> None:
    begun = EPOCH + 40 * DAY
    for day, found in ((39, 0), (40, 1), (60, 1), (85, 0)):
        tally = Tally("planted", "some")
        tally.take(stream(begun), [(EPOCH + day * DAY, "label")], begun)
        assert (tally.found, tally.right, tally.planted) == (found, found, 1), day
        assert tally.delays == [day - 40] * found
    tally = Tally("planted", "some")
    tally.take(stream(begun), [(begun, "concept"), (begun + DAY, "covariate")], begun)
    assert (tally.found, tally.right, tally.concept) == (1, 0, 1)


def test_a_strong_covariate_drift_is_found_named_and_soon(planted: Stream) -> None:
    assert planted.planted is not None
    tallies = {name: Tally("planted", name) for name in DETECTED}
    for name, tally in tallies.items():
        tally.take(planted, bench.DETECTORS[name](planted, 1), planted.planted)
    mine, always, never = tallies.values()
    assert (mine.found, mine.right) == (1, 1)
    assert mine.delays[0] < 3
    assert (always.found, never.found) == (1, 0)


def test_it_is_not_found_where_it_was_not_planted(planted: Stream) -> None:
    """Without the drift, alarms of those days do not come of themselves."""
    assert planted.planted is not None
    quiet = replace(payments_stream(1_000), planted=None)
    soon = planted.planted + 3 * DAY
    alarms = [time for time, _ in bench.headrace(quiet, 1) if planted.planted <= time < soon]
    assert alarms == []


def test_only_what_passes_by_lot_is_seen_of_the_most_probable(planted: Stream) -> None:
    begun = EPOCH + 100 * DAY
    made = stopped(planted, begun)
    assert made.seen is not None
    late = made.times >= begun
    hidden = made.seen[late] == 0
    assert set(made.seen.tolist()) == {0.0, 0.1, 1.0}
    assert (made.seen[~late] == 1).all()
    assert 0.01 < hidden.mean() < 2 * STOPPED
    assert made.scores[late][hidden].min() > np.median(made.scores)
    assert (
        len(planted.known) - len(made.known)
        == np.isin(planted.known, np.flatnonzero(made.seen == 0)).sum()
    )
    assert set(made.weights.tolist()) == {1.0, 10.0}


def test_a_concept_drift_is_found_and_named() -> None:
    changed = synthetic_stream("Agrawal", 1_000, True)
    assert changed.planted is not None
    after = [kind for time, kind in bench.headrace(changed, 1) if time >= changed.planted]
    assert "concept" in after
    assert "covariate" not in after


def test_every_case_has_streams_of_its_own_that_no_threshold_was_made_on() -> None:
    wanted = runs(10)
    cases = Counter(run.case for run in wanted)
    assert (cases["payments"], cases["payments, stopping"], cases["synthetic"]) == (10, 10, 10)
    assert (cases["payments, label"], cases["SEA, changed"]) == (5, 2)
    quiet = [run for run in wanted if run.case == "payments"]
    planted = [run for run in wanted if run.case == "payments, label"]
    assert [run.seed for run in quiet] == list(range(FRESH, FRESH + 10))
    assert [run.seed for run in planted] == list(range(CHANGED, CHANGED + 5))


def made(*tallies: Tally) -> results.Drift:
    options = results.Options(seeds=9, first_quiet=FRESH, first_planted=CHANGED)
    return results.Drift(
        kind=results.DRIFT, options=options, machine=facts(), rates=[], tallies=list(tallies)
    )


def quiet(false: int, detector: str = bench.HEADRACE, budget: float = 1.0) -> Tally:
    """Ten runs that were watched for 300 days in all: ten false alarms are a budget of 1."""
    return Tally("payments", detector, 10, 300.0, false, budget=budget)


def test_more_false_alarms_than_the_budget_fail_the_command_beyond_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = Tally("payments, label", bench.HEADRACE, 2, planted=2, found=1, delays=[4.5])
    for tally, code in ((quiet(16), 0), (quiet(30), 1), (quiet(30, bench.ALWAYS), 0)):
        monkeypatch.setattr(command, "measure", lambda *_, tally=tally: [tally, label])
        ran = CliRunner().invoke(app, ["drift", "--out", str(tmp_path)])
        assert ran.exit_code == code, ran.output
        assert ("missed: payments: 3.00 false alarms per 30 days" in ran.output) is bool(code)
    assert results.misses([quiet(30, budget=3.0)]) == []


def test_the_budget_is_the_one_that_the_stream_declares() -> None:
    strict = replace(stream(), drift=replace(stream().drift, false_alarms=2.0, per=60 * DAY))
    tally, both = Tally("quiet", "some", budget=9.0), Tally("quiet", "some")
    tally.take(strict, [], EPOCH)
    both.add(tally)
    assert (tally.budget, both.budget) == (1.0, 1.0)


def test_rates_and_shares_are_compared_beyond_chance(tmp_path: Path) -> None:
    found = {n: Tally("label", bench.HEADRACE, 25, planted=25, found=n) for n in (25, 22, 5)}
    base = made(quiet(5), found[25])
    others = {"as before": made(quiet(7), found[22]), "worse": made(quiet(40), found[5])}
    save(base, tmp_path / "base.json")
    for name, other in others.items():
        save(other, tmp_path / "other.json")
        told = compare_files(tmp_path / "base.json", tmp_path / "other.json").changes
        assert [c.metric for c in told] == [
            "payments: false alarms per 30 days", "label: share found"
        ]  # fmt: skip
        assert [c.changed for c in told] == [name == "worse"] * 2
    same = results.compare(made(quiet(0)), made(quiet(0))).changes
    assert not any(change.changed for change in same)


def test_the_command_keeps_and_shows_what_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = Tally("payments", bench.ALWAYS, runs=3, days=90.0, false=6)
    planted = Tally("payments, label", bench.ALWAYS, runs=2, planted=2, found=1, delays=[4.5])

    def measure(
        seeds: int,
        detectors: Sequence[str],
        workers: int,
        tell: Callable[[list[Tally]], None],
    ) -> list[Tally]:
        assert (seeds, workers, detectors) == (3, 2, (bench.ALWAYS,))
        tell([calm, planted])
        return [calm, planted]

    monkeypatch.setattr(command, "measure", measure)
    options = ["--seeds", "3", "--only", bench.ALWAYS, "--out", str(tmp_path / "new")]
    ran = CliRunner().invoke(app, ["drift", *options])
    assert ran.exit_code == 0, ran.output
    assert "4.5 d" in ran.output
    kept = load(tmp_path / "new" / "drift.json", results.Drift)
    assert kept.tallies == [calm, planted]
    assert [(rate.case, rate.per_30_days) for rate in kept.rates] == [("payments", 2.0)]
    assert kept.options == results.Options(seeds=3, first_quiet=FRESH, first_planted=CHANGED)
    assert kept.machine.cores > 0
    assert (tmp_path / "new" / "drift.png").exists()


def test_a_detector_that_there_is_not_is_told_with_those_there_are(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["drift", "--only", "headrac", "--out", str(tmp_path)])
    assert ran.exit_code == 2
    assert "no detector 'headrac'" in ran.output
    assert "did you mean 'headrace'?" in ran.output


def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    """Killed without a chance to clean up, it leaves no worker that computes on for nobody."""
    begun = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent("""
            from benchmarks.drift import run
            run.measure(50, ["never"], 2, print)
        """)], stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    with begun:
        assert begun.stdout is not None
        assert begun.stdout.readline()
        begun.kill()
    deadline = time.monotonic() + 20
    while (left := left_of_session(begun.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
