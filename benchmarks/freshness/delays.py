"""Delays from sending to knowing, and the waiting for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.latency import confidence

PATIENCE = 30.0
"""Seconds after the last probe or label in which it must have arrived."""

_SURE = 0.99


class FreshnessError(RuntimeError):
    """Something sent never arrived, or arrived wrong; says what."""


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from sending; `interval` is of the p99 (99 %), None where too few were sent.

    `histogram` (HdrHistogram) and the p99s `drawn` by the bootstrap are for `compare`.
    """

    count: int
    percentiles: dict[str, float]
    interval: tuple[float, float] | None
    histogram: str
    drawn: list[float]

    def __post_init__(self) -> None:
        """Raises ValueError for a damaged histogram, which msgspec tells with its place."""
        confidence.read(self.histogram)


def delay(began: NDArray[np.float64], ended: NDArray[np.float64]) -> Delay:
    """Of things sent at `began` and known at `ended`, seconds of one clock."""
    took = (ended - began) * 1e3
    place = confidence.PERCENTILES.index(99.0)
    drawn = confidence.replicates(took, began, confidence.DRAWS, 0)[:, place]
    kept = confidence.histogram(took)
    return Delay(
        count=len(took),
        percentiles=confidence.percentiles(took),
        interval=confidence.interval(kept, 0, drawn, 99.0, _SURE),
        histogram=kept.encode().decode(),
        drawn=[float(f"{value:.4g}") for value in drawn],
    )


def gap_p99(moments: Sequence[float]) -> float:
    """p99 of the time between two looks, ms: no delay is known better than that."""
    return float(np.percentile(np.diff(moments), 99) * 1e3) if len(moments) > 1 else 0.0


def wait(done: Callable[[], bool]) -> None:
    """Until it is done, or patience is at its end."""
    deadline = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < deadline:
        time.sleep(0.002)
