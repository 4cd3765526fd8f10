"""What a finite run may claim: binomial verdicts, intervals, and quantiles of a latency record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray
from scipy import special, stats

from benchmarks.load.plan import Look

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_LONGEST_US = 3_600_000_000
DRAWS = 2_000
"""Of the bootstrap: ten of them lie beyond either end of a 99 % interval."""

_GRID = np.geomspace(1e-3, 1e6, 4001)  # ms; steps of 0.5 %


class Decision(StrEnum):
    """Whether the percentile stays inside the budget, at the stated confidence."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNDECIDED = "undecided"


class Share(msgspec.Struct, frozen=True):
    """A share of requests with its Clopper-Pearson interval."""

    count: int
    of: int
    value: float
    low: float
    high: float
    confidence: float


def needed(overruns: int, percentile: float, confidence: float) -> int:
    """The fewest requests that show the percentile inside the budget with so many overruns.

    The early-stopping criterion of MLPerf Inference, Server scenario, tolerance 0 (MLCommons
    inference_rules.adoc, appendix "Early Stopping Criterion"; loadgen/early_stopping.cc): the
    smallest n with P(Binomial(n, 1 - percentile) <= overruns) <= 1 - confidence.
    """
    low, high = overruns, max(16, overruns * 2)
    while special.bdtr(overruns, high, 1 - percentile) > 1 - confidence:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        short = special.bdtr(overruns, middle, 1 - percentile) > 1 - confidence
        low, high = (middle, high) if short else (low, middle)
    return high


def plan_looks(requests: Sequence[int], percentile: float, confidence: float) -> tuple[Look, ...]:
    """When to stop at planned looks, at most 1 - confidence wrong over all of them together.

    MLPerf looks again and again at the full error each time; here look i spends half of what is
    left (the last all of it), so that looking often does not make a bad server pass by luck.
    """
    left, looks = 1 - confidence, []
    for position, count in enumerate(requests):
        error = left if position == len(requests) - 1 else left / 2
        left -= error
        inside = int(stats.binom.ppf(error, count, 1 - percentile))
        while inside >= 0 and special.bdtr(inside, count, 1 - percentile) > error:
            inside -= 1
        outside = int(stats.binom.isf(error, count, 1 - percentile)) + 1
        looks.append(Look(count, inside, outside))
    return tuple(looks)


def decide(overruns: int, look: Look) -> Decision:
    """The verdict of one look."""
    if overruns <= look.inside:
        return Decision.INSIDE
    return Decision.OUTSIDE if overruns >= look.outside else Decision.UNDECIDED


def share(count: int, of: int, confidence: float) -> Share:
    """Clopper and Pearson (1934): the exact interval of a binomial share."""
    if not of:
        return Share(0, 0, 0.0, 0.0, 1.0, confidence)
    interval = stats.binomtest(count, of).proportion_ci(confidence, "exact")
    low, high = float(interval.low), float(interval.high)
    return Share(count, of, count / of, low, high, confidence)


def histogram(milliseconds: NDArray[np.float64]) -> HdrHistogram:
    """An HdrHistogram of what is finite, in microseconds, three digits, 1 µs to an hour."""
    finite = milliseconds[np.isfinite(milliseconds)]
    whole = np.clip(np.rint(finite * 1e3), 1, _LONGEST_US).astype(np.int64)
    kept = HdrHistogram(1, _LONGEST_US, 3)
    for value, count in zip(*np.unique(whole, return_counts=True), strict=True):
        kept.record_value(int(value), int(count))
    return kept


def read(*encoded: str) -> HdrHistogram:
    """Histograms that were kept as text, in one; raises ValueError for a text that is none."""
    kept = HdrHistogram(1, _LONGEST_US, 3)
    for each in encoded:
        try:
            kept.add(HdrHistogram.decode(each.encode()))
        except Exception as error:  # the library has no one class for what it raises
            raise ValueError(
                f"`histogram` is {each[:20]!r}…; expected an HdrHistogram in base64: {error}"
            ) from error
    return kept


def percentiles(milliseconds: NDArray[np.float64]) -> dict[str, float]:
    """p50, p90, p99, p99.9 and max of the HdrHistogram, in milliseconds; empty for no values.

    Requests without a right answer took infinitely long, and so may a percentile.
    """
    if not len(milliseconds):
        return {}
    kept, failed = histogram(milliseconds), int(np.isinf(milliseconds).sum())
    named = {f"p{p:g}": at_percentile(kept, failed, p) for p in PERCENTILES}
    return named | {"max": float(milliseconds.max())}


def at_percentile(kept: HdrHistogram, failed: int, percentile: float) -> float:
    """Milliseconds at a percentile of the histogram's values and of `failed` infinite ones."""
    answered = kept.get_total_count()
    rank = max(1, round(percentile / 100 * (answered + failed)))
    if rank > answered:
        return float("inf")
    return float(kept.get_value_at_percentile(100 * rank / answered) / 1e3)


def replicates(
    milliseconds: NDArray[np.float64], seconds: NDArray[np.float64], draws: int, seed: int
) -> NDArray[np.float64]:
    """Percentiles of `draws` bootstrap runs made of whole blocks of this one: [draws, 4] in ms.

    Slow requests come in bursts, so that single requests are not independent; blocks of time
    (at least 20, at most a second long) nearly are (Künsch 1989, the block bootstrap). `seconds`
    are the arrival times. Read off a logarithmic grid of 0.5 %; what is over 1,000 s is infinite.
    """
    if not len(milliseconds):
        return np.zeros((0, len(PERCENTILES)))
    block = _blocks(seconds)
    cells, cell = np.unique(np.searchsorted(_GRID, milliseconds), return_inverse=True)
    counts = np.zeros((int(block.max()) + 1, len(cells)))
    np.add.at(counts, (block, cell), 1)
    cumulative = np.cumsum(_weights(len(counts), draws, seed) @ counts, axis=1)
    ranks = np.asarray(PERCENTILES) / 100 * cumulative[:, -1:]
    below = np.stack([(cumulative < rank[:, None]).sum(axis=1) for rank in ranks.T], axis=1)
    ends: NDArray[np.float64] = np.append(_GRID, np.inf)[cells[below]]
    return ends


def shares(
    late: NDArray[np.bool_], seconds: NDArray[np.float64], draws: int, seed: int
) -> NDArray[np.float64]:
    """Shares of late requests in bootstrap runs made as in `replicates`: [draws]."""
    block = _blocks(seconds)
    counts = np.stack([np.bincount(block, late), np.bincount(block)], axis=1)
    over, of = (_weights(len(counts), draws, seed) @ counts).T
    drawn: NDArray[np.float64] = over / np.maximum(of, 1)
    return drawn


def _blocks(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    span = float(seconds.max() - seconds.min()) + 1e-9
    blocks: NDArray[np.int64] = ((seconds - seconds.min()) / min(1.0, span / 20)).astype(np.int64)
    return blocks


def _weights(blocks: int, draws: int, seed: int) -> NDArray[np.int64]:
    """How often each draw takes each block."""
    rng = np.random.default_rng([seed, 2])
    return rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws)


def middle(drawn: NDArray[np.float64], level: float) -> tuple[float, float]:
    """The middle `level` of what was drawn; its upper end may be infinite."""
    ordered = np.sort(drawn)
    ends = [(1 - level) / 2 * (len(drawn) - 1), (1 + level) / 2 * (len(drawn) - 1)]
    return float(ordered[math.floor(ends[0])]), float(ordered[math.ceil(ends[1])])


def bounds(
    kept: HdrHistogram, failed: int, percentile: float, level: float
) -> tuple[float, float] | None:
    """Where the percentile of independent requests lies, by two of the values (order statistics).

    The number of values below it is binomial (David and Nagaraja 2003, section 7.1). None where
    the values are too few for an upper end: even the largest may be below the percentile.
    """
    count, share, tail = kept.get_total_count() + failed, percentile / 100, (1 - level) / 2
    first = int(stats.binom.ppf(tail, count, share))
    last = int(stats.binom.isf(tail, count, share)) + 1
    if last > count:
        return None
    low = at_percentile(kept, failed, 100 * first / count) if first else 0.0
    return low, at_percentile(kept, failed, 100 * last / count)


def interval(
    kept: HdrHistogram, failed: int, drawn: NDArray[np.float64], percentile: float, level: float
) -> tuple[float, float] | None:
    """The wider at either end of the order statistics' interval and the bootstrap's.

    The bootstrap alone is too narrow where few values lie beyond the percentile, and the order
    statistics alone where requests come in bursts. None where the values are too few.
    """
    ends = bounds(kept, failed, percentile, level)
    if ends is None:
        return None
    low, high = middle(drawn, level)
    return min(low, ends[0]), max(high, ends[1])
