"""False alarms against the budget, and how soon planted drift is found, beside other detectors.

    python -m benchmarks.drift.run                 50 quiet worlds of payments, 10 of each planted
    python -m benchmarks.drift.run --seeds 5

Nothing drifts in the quiet runs: every alarm there is false. In the planted runs the first alarm
after the drift finds it, within 45 days. False alarms fall into those days too: how often they do
is counted in the quiet runs, in the same 45 days, and stands beside as found by chance.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from river import drift as river_drift
from scipy import stats

from benchmarks.drift.worlds import (
    EPOCH,
    KINDS,
    PLANTED,
    SYNTHETIC,
    SYNTHETIC_PLANTED,
    Stream,
    payments_stream,
    synthetic_stream,
)
from online_models.drift import ArmWatch, Budget, Watch
from online_models.drift.columns import error_columns, label_columns, loss, number_of_tests
from schemas.declare import DAY

WITHIN = 45 * DAY
FRESH = 2_000
"""Seed of the first quiet world: the thresholds were made while looking at worlds below it."""
HEADRACE, COLUMNS, ALWAYS, NEVER = "headrace", "river ADWIN, columns", "always", "never"

Alarm = tuple[int, str]
"""Event time in ms, and the kind of drift, empty for a detector that tells none."""


@dataclass
class Tally:
    """One detector on one case; `days` are watched without drift, delays in days.

    `found` of a quiet case are the runs that would have been found, by chance.
    """

    case: str
    detector: str
    runs: int = 0
    days: float = 0.0
    false: int = 0
    planted: int = 0
    found: int = 0
    right: int = 0
    delays: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """False alarms per 30 days."""
        return 30 * self.false / self.days if self.days else float("nan")

    def interval(self) -> tuple[float, float]:
        """Of the rate, 95 % (Poisson, Garwood)."""
        if not self.days:
            return float("nan"), float("nan")
        low = stats.chi2.ppf(0.025, 2 * self.false) / 2 if self.false else 0.0
        high = stats.chi2.ppf(0.975, 2 * self.false + 2) / 2
        return 30 * float(low) / self.days, 30 * float(high) / self.days

    def add(self, other: Tally) -> None:
        """Takes in other runs."""
        for name in ("runs", "days", "false", "planted", "found", "right"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays

    def take(self, stream: Stream, alarms: Sequence[Alarm], begun: int) -> None:
        """Counts a run; `begun` is when the drift begins, or would."""
        since = int(stream.times[0]) + stream.drift.warm_up + stream.drift.reference
        end = int(stream.times[-1])
        after = [(t, kind) for t, kind in alarms if begun <= t < begun + WITHIN]
        self.runs += 1
        self.found += bool(after)
        if stream.planted is None:
            self.days += (end - since) / DAY
            self.false += sum(time >= since for time, _ in alarms)
            return
        self.planted += 1
        self.right += any(kind == stream.kind for _, kind in after)
        self.delays += [(min(after)[0] - begun) / DAY] if after else []


def budget_of(stream: Stream) -> Budget:
    """The whole budget for what is watched here: columns, label, and the loss of one arm."""
    tests = sum(map(number_of_tests, (stream.columns, label_columns(), error_columns("served"))))
    return Budget(stream.drift, tests, arms=1)


def headrace(stream: Stream, seed: int) -> list[Alarm]:
    """Times of the alarms that open, as flows/drift would."""
    budget, known = budget_of(stream), stream.known
    none: list[Any] = [()] * len(stream.times)
    told = Watch("bench", stream.columns, budget, seed).take(stream.times, stream.values, none)
    labels = Watch("bench", label_columns(), budget, seed)
    told += labels.take(stream.labelled[known], stream.labels[known, None], none[: len(known)])
    arm = ArmWatch("bench", "served", budget, seed)
    told += arm.take(
        [
            (time, label, score, ())
            for time, label, score in zip(
                stream.labelled[known].tolist(),
                stream.labels[known].tolist(),
                stream.scores[known].tolist(),
                strict=True,
            )
        ]
    )
    return sorted((r["time"], r["kind"]) for r in told if r["state"] == "opened")


def river_on_loss(make: Callable[[], Any]) -> Callable[[Stream, int], list[Alarm]]:
    """A detector of River on the served loss, label by label."""

    def run(stream: Stream, seed: int) -> list[Alarm]:
        known = stream.known
        rows = zip(stream.labels[known].tolist(), stream.scores[known].tolist(), strict=True)
        losses = np.array([loss(label, p) for label, p in rows])
        return _fires(make(), losses, stream.labelled[known])

    return run


def river_on_features(stream: Stream, seed: int) -> list[Alarm]:
    """River's ADWIN at its defaults on every column; what is unknown is passed over."""
    out: list[Alarm] = []
    for i in range(len(stream.columns)):
        known = ~np.isnan(stream.values[:, i])
        out += _fires(river_drift.ADWIN(), stream.values[known, i], stream.times[known])
    return sorted(out)


def _fires(detector: Any, values: NDArray[np.float64], times: NDArray[np.int64]) -> list[Alarm]:
    out = []
    for place, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            out.append((int(times[place]), ""))
    return out


def always(stream: Stream, seed: int) -> list[Alarm]:
    """Fires every day."""
    first, last = int(stream.times[0]), int(stream.times[-1])
    return [(time, "") for time in range(first, last, DAY)]


def never(stream: Stream, seed: int) -> list[Alarm]:
    """Does not fire."""
    return []


DETECTORS: dict[str, Callable[[Stream, int], list[Alarm]]] = {
    HEADRACE: headrace,
    "river ADWIN, loss": river_on_loss(river_drift.ADWIN),
    "river PageHinkley, loss": river_on_loss(river_drift.PageHinkley),
    COLUMNS: river_on_features,
    ALWAYS: always,
    NEVER: never,
}
"""River's at their defaults."""


class Run(NamedTuple):
    """A stream to be made: its case, when drift begins or would, what makes it from what."""

    case: str
    seed: int
    begun: int
    make: Callable[..., Stream]
    given: tuple[Any, ...]
    detectors: tuple[str, ...]


def runs(seeds: int) -> list[Run]:
    """Quiet ones and planted ones, mixed: for five quiet payments one of each planted kind.

    River's ADWIN on every column takes longer than all else, so it is given the first seed.
    """
    some, more = range(max(1, seeds // 10)), range(max(1, seeds // 5))
    out = [_run("payments", n, payments_stream, FRESH + n) for n in range(seeds)]
    for plant in KINDS:
        out += [_run(f"payments, {plant}", n, payments_stream, 1_000 + n, plant) for n in more]
    for name in SYNTHETIC:
        out += [_run("synthetic", n, synthetic_stream, name, n, False) for n in some]
        out += [_run(f"{name}, changed", n, synthetic_stream, name, 1_000 + n, True) for n in some]
    return sorted(out, key=lambda run: run.seed)


def _run(case: str, number: int, make: Callable[..., Stream], *given: Any) -> Run:
    names = tuple(name for name in DETECTORS if name != COLUMNS or number < 1)
    planted = PLANTED if make is payments_stream else SYNTHETIC_PLANTED
    return Run(case, number, EPOCH + planted * DAY, make, given, names)


def alarms_of(run: Run) -> tuple[Run, dict[str, Tally]]:
    """One run's tallies by detector."""
    stream = run.make(*run.given)
    out = {}
    for name in run.detectors:
        out[name] = Tally(run.case, name)
        out[name].take(stream, DETECTORS[name](stream, run.seed), run.begun)
    return run, out


def measure(seeds: int, workers: int, tell: Callable[[list[Tally]], None]) -> list[Tally]:
    """Runs all detectors over all runs; `tell` is given the tallies after every run."""
    tallies: dict[tuple[str, str], Tally] = {}
    wanted = runs(seeds)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver")) as pool:
        done = pool.map(alarms_of, wanted)
        for run, each in track(done, "streams", len(wanted), console=Console(stderr=True)):
            for name, tally in each.items():
                tallies.setdefault((run.case, name), Tally(run.case, name)).add(tally)
            tell(list(tallies.values()))
    return list(tallies.values())


def table(tallies: Sequence[Tally]) -> Table:
    """The tallies for a person."""
    heads = ("case", "detector", "runs", "false / 30 days", "95 %", "found", "kind right", "delay")
    out = Table(*heads)
    for t in tallies:
        low, high = t.interval()
        quiet, some = not t.planted, bool(t.delays)
        out.add_row(
            t.case, t.detector, str(t.runs), f"{t.rate:.2f}" if quiet else "",
            f"{low:.2f} to {high:.2f}" if quiet else "",
            f"{t.found}/{t.runs}{' by chance' * quiet}", "" if quiet else f"{t.right}/{t.planted}",
            f"{np.median(t.delays):.1f} d" if some else "",
        )  # fmt: skip
    return out


def main(
    seeds: Annotated[
        int, typer.Option(min=1, help="Quiet worlds; planted ones in proportion.")
    ] = 50,
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the picture.")] = Path("bench"),
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the streams.")] = 2,
) -> None:
    """False alarms against the budget, and how soon planted drift is found."""
    from benchmarks.drift.pictures import draw

    out.mkdir(parents=True, exist_ok=True)

    def keep(tallies: list[Tally]) -> None:
        rows = [{**asdict(t), "rate": t.rate, "interval": t.interval()} for t in tallies]
        (out / "drift.json").write_text(json.dumps(rows, indent=1))

    tallies = measure(seeds, workers, keep)
    Console(width=120).print(table(tallies))
    draw(tallies, out / "drift.png")
    print(f"kept in {out}/")


if __name__ == "__main__":
    typer.run(main)
