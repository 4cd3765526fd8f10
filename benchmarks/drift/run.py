"""False alarms against the budget, and how soon planted drift is found, beside other detectors.

Nothing drifts in the quiet runs: every alarm there is false. In the planted runs the first alarm
after the drift finds it, within 45 days. False alarms fall into those days too: how often they do
is counted in the quiet runs, in the same 45 days, and stands beside as found by chance.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import connection
from typing import NamedTuple

from rich.console import Console
from rich.progress import track

from benchmarks.drift.detectors import DETECTORS
from benchmarks.drift.generators import SYNTHETIC, SYNTHETIC_PLANTED, synthetic_stream
from benchmarks.drift.hidden import stopping_stream
from benchmarks.drift.tally import Tally
from benchmarks.drift.worlds import EPOCH, KINDS, PLANTED, Stream, payments_stream
from schemas.declare import DAY

FRESH, CHANGED = 2_000, 3_000
"""Seeds of the first quiet and the first planted stream: the thresholds were made while looking at
streams below them."""


class Run(NamedTuple):
    """A stream to be made: its case, its seed, when drift begins or would, what makes it."""

    case: str
    seed: int
    begun: int
    make: Callable[[], Stream]


def runs(seeds: int) -> list[Run]:
    """As many quiet payments, with and without stopping, and quiet synthetic streams; of each
    planted kind of payments half as many, of each changed generator a fifth; those with the same
    number after each other."""
    half, fifth = range(max(1, seeds // 2)), range(max(1, seeds // 5))
    out = [_payments(FRESH + n) for n in range(seeds)]
    out += [_stopping(FRESH + n) for n in range(seeds)]
    out += [_payments(CHANGED + n, plant) for plant in KINDS for n in half]
    out += [_synthetic(name, FRESH + n, False) for name in SYNTHETIC for n in fifth]
    out += [_synthetic(name, CHANGED + n, True) for name in SYNTHETIC for n in fifth]
    return sorted(out, key=lambda run: run.seed % 1_000)


def _payments(seed: int, plant: str = "") -> Run:
    case = f"payments, {plant}" if plant else "payments"
    return Run(case, seed, EPOCH + PLANTED * DAY, partial(payments_stream, seed, plant))


def _stopping(seed: int) -> Run:
    return Run("payments, stopping", seed, EPOCH + PLANTED * DAY, partial(stopping_stream, seed))


def _synthetic(name: str, seed: int, plant: bool) -> Run:
    case = f"{name}, changed" if plant else "synthetic"
    begun = EPOCH + SYNTHETIC_PLANTED * DAY
    return Run(case, seed, begun, partial(synthetic_stream, name, seed, plant))


def alarms_of(
    run: Run, detectors: Sequence[str] = tuple(DETECTORS)
) -> tuple[Run, dict[str, Tally]]:
    """One run's tallies by detector."""
    stream = run.make()
    out = {name: Tally(run.case, name) for name in detectors}
    for name, tally in out.items():
        tally.take(stream, DETECTORS[name](stream, run.seed), run.begun)
    return run, out


def measure(
    seeds: int, detectors: Sequence[str], workers: int, tell: Callable[[list[Tally]], None]
) -> list[Tally]:
    """Runs the detectors over all runs; `tell` is given the tallies after every run."""
    tallies: dict[tuple[str, str], Tally] = {}
    wanted = runs(seeds)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        done = pool.map(partial(alarms_of, detectors=detectors), wanted)
        for run, each in track(done, "streams", len(wanted), console=Console(stderr=True)):
            for name, tally in each.items():
                tallies.setdefault((run.case, name), Tally(run.case, name)).add(tally)
            tell(list(tallies.values()))
    return list(tallies.values())


def _end_with_parent() -> None:
    """Ends this worker when who started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
