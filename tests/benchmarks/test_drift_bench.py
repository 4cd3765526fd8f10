"""The drift benchmark: what it counts, and that a strong drift is found on one seed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.drift import detectors as bench
from benchmarks.drift import run as command
from benchmarks.drift.generators import synthetic_stream
from benchmarks.drift.hidden import STOPPED, stopped
from benchmarks.drift.run import CHANGED, FRESH, runs
from benchmarks.drift.tally import Tally
from benchmarks.drift.worlds import EPOCH, Stream, payments_stream
from schemas.declare import DAY, Drift

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
    assert (tally.found, tally.right) == (1, 0)


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


def test_the_command_keeps_and_shows_what_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = Tally("payments", bench.ALWAYS, runs=3, days=90.0, false=6)
    planted = Tally("payments, label", bench.ALWAYS, runs=2, planted=2, found=1, delays=[4.5])

    def measure(seeds: int, workers: int, tell: Callable[[list[Tally]], None]) -> list[Tally]:
        assert (seeds, workers) == (3, 2)
        tell([quiet, planted])
        return [quiet, planted]

    monkeypatch.setattr(command, "measure", measure)
    ran = CliRunner().invoke(app, ["drift", "--seeds", "3", "--out", str(tmp_path / "new")])
    assert ran.exit_code == 0, ran.output
    assert "4.5 d" in ran.output
    kept = json.loads((tmp_path / "new" / "drift.json").read_text())
    assert (kept[0]["case"], kept[0]["rate"]) == ("payments", 2.0)
    assert (tmp_path / "new" / "drift.png").exists()
