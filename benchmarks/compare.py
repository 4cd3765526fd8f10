"""What changed between two results beyond noise.

Two kinds of noise: within a run (bursts of slow requests), which the block bootstrap of each run
shows, and between runs (the machine's mood), which only repeated runs show. With three or more
runs on both sides the logarithms of the percentiles are compared by Welch's t-test over runs, all
percentiles together at the stated confidence (Holm 1979). With fewer, by the bootstrap interval of
their ratio, and the comparison says that the noise between runs is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.comparison import Change, Comparison, unlike, welch
from benchmarks.freshness import run as fresh
from benchmarks.freshness.run import Freshness
from benchmarks.latency.confidence import PERCENTILES
from benchmarks.latency.results import Result, Run
from benchmarks.learning import speeds
from benchmarks.peers import compare as peers
from benchmarks.peers import run as peer_runs
from benchmarks.storing import kind_of, load
from benchmarks.streams import results as streams
from benchmarks.streams.comparing import compare_streams

ENOUGH_RUNS = 3
_METRICS = tuple(f"p{p:g}" for p in PERCENTILES)
_IGNORED = {"seed", "repeats", "url", "background"}


def compare(a: Result, b: Result, confidence: float = 0.99) -> Comparison:
    """What changed from `a` to `b`; raises ValueError where a result has no run to compare."""
    for name, result in (("first", a), ("second", b)):
        if not any(run.latency for run in result.runs):
            raise ValueError(f"the {name} result has no run with a right answer")
    repeated = min(len(a.runs), len(b.runs)) >= ENOUGH_RUNS
    judge = _by_runs if repeated else _by_bootstrap
    changes = [*judge(a.runs, b.runs, confidence), _over_budget(a, b, confidence)]
    notes = [f"the {name} result is invalid: the load generator was its bottleneck"
             for name, result in (("first", a), ("second", b)) if not result.valid]  # fmt: skip
    if not repeated:
        notes.append(
            f"fewer than {ENOUGH_RUNS} runs on a side: the noise between runs is unknown, only that"
            " within a run was judged; repeat both with --repeats 3 or more, taking turns"
        )
    level = f"{confidence * 100:g} %"
    method = (
        f"Welch's t-test over {len(a.runs)} and {len(b.runs)} runs on log latency, Holm, {level}"
        if repeated
        else f"bootstrap over blocks of time, ratio of percentiles, {level}"
    )
    return Comparison(
        method=method, unlike=_unlike(a, b), changes=[*changes, *_rates(a, b)], notes=notes
    )


def compare_files(first: Path, second: Path, confidence: float = 0.99) -> Comparison:
    """What changed from one JSON file to another of the same benchmark.

    Raises ResultError for a file that is no result, ValueError for two that cannot be compared.
    """
    kinds = {kind_of(first), kind_of(second)}
    of, judge = _KINDS.get(kinds.pop() if len(kinds) == 1 else "", (Result, compare))
    found: Comparison = judge(load(first, of), load(second, of), confidence)
    return found


def compare_freshness(a: Freshness, b: Freshness, confidence: float = 0.99) -> Comparison:
    """What changed in the p99 of the delays, by the bootstrap within each run."""
    pairs = {
        "event → servable p99": (a.event_servable, b.event_servable),
        "label → serving p99": (a.label_serving, b.label_serving),
    }
    tail = (1 - confidence) / 2 / len(pairs)
    changes = []
    for metric, (before, after) in pairs.items():
        first, second = before.percentiles["p99"], after.percentiles["p99"]
        low, high = _ratio_interval(np.array(before.drawn), np.array(after.drawn), tail)
        changes.append(_change(metric, first, second, low, high))
    return Comparison(
        method=f"bootstrap over blocks of time, ratio of percentiles, {confidence * 100:g} %",
        unlike=unlike(a, b, ("seed",)),
        changes=changes,
        notes=["one run on a side: the noise between runs is unknown"],
    )


def _ratio_interval(
    before: NDArray[np.float64], after: NDArray[np.float64], tail: float
) -> tuple[float, float]:
    ratios = (after[:, None] / before[None, :]).ravel()
    low, high = (float(end) for end in np.quantile(ratios, [tail, 1 - tail]))
    return low, high


def _change(metric: str, a: float, b: float, low: float, high: float) -> Change:
    changed = not low <= 1 <= high
    return Change(metric=metric, a=a, b=b, ratio=b / a, low=low, high=high, changed=changed)


def _logs(runs: Sequence[Run], metric: str) -> NDArray[np.float64]:
    return np.log([run.latency[metric] for run in runs if run.latency])


def _by_runs(a: Sequence[Run], b: Sequence[Run], confidence: float) -> list[Change]:
    return welch({m: (_logs(a, m), _logs(b, m)) for m in _METRICS}, confidence)


def _by_bootstrap(a: Sequence[Run], b: Sequence[Run], confidence: float) -> list[Change]:
    tail = (1 - confidence) / 2 / len(_METRICS)  # Bonferroni: the four are judged together
    changes = []
    for metric in _METRICS:
        low, high = _ratio_interval(_drawn(a, metric), _drawn(b, metric), tail)
        changes.append(_change(metric, _middle(a, metric), _middle(b, metric), low, high))
    return changes


def _drawn(runs: Sequence[Run], metric: str) -> NDArray[np.float64]:
    return np.concatenate([np.array(run.replicates[metric]) for run in runs if run.latency])


def _middle(runs: Sequence[Run], metric: str) -> float:
    return float(np.median([run.latency[metric] for run in runs if run.latency]))


def _over_budget(a: Result, b: Result, confidence: float) -> Change:
    """The share without a right answer inside the budget, by Fisher's exact test."""
    (over_a, all_a), (over_b, all_b) = _counts(a), _counts(b)
    table = [[over_a, all_a - over_a], [over_b, all_b - over_b]]
    share_a, share_b = over_a / all_a, over_b / all_b
    risk = stats.contingency.relative_risk(over_b, all_b, over_a, all_a)
    interval = risk.confidence_interval(confidence) if over_a and over_b else None
    return Change(
        metric="share over budget",
        a=share_a,
        b=share_b,
        ratio=share_b / share_a if share_a else 1.0,
        low=float(interval.low) if interval else 0.0,
        high=float(interval.high) if interval else 0.0,
        changed=bool(stats.fisher_exact(table).pvalue <= 1 - confidence),
    )


def _counts(result: Result) -> tuple[int, int]:
    shares = [run.over_budget for run in result.runs]
    return sum(each.count for each in shares), sum(each.of for each in shares)


def _rates(a: Result, b: Result) -> list[Change]:
    """The highest rates changed when one was refused at a rate that the other was shown to hold."""
    if a.search is None or b.search is None or not a.search.inside or not b.search.inside:
        return []
    first, second = a.search, b.search
    top_a, top_b = first.outside or np.inf, second.outside or np.inf
    return [
        Change(
            metric="highest rate",
            a=first.inside,
            b=second.inside,
            ratio=second.inside / first.inside,
            low=float(second.inside / top_a),
            high=float(top_b / first.inside),
            changed=second.inside >= top_a or first.inside >= top_b,
        )
    ]


def _unlike(a: Result, b: Result) -> list[str]:
    told = unlike(a, b, _IGNORED)
    if a.options.background != b.options.background:
        told.append(f"background: {a.options.background} against {b.options.background}")
    return told


_KINDS: Mapping[str, tuple[type[Any], Callable[..., Comparison]]] = {
    fresh.FRESHNESS: (Freshness, compare_freshness),
    streams.STREAMS: (streams.Streams, compare_streams),
    peer_runs.PEERS_KIND: (peer_runs.Peers, peers.compare),
    speeds.LEARNING: (speeds.Learning, speeds.compare),
}
"""The results that can be compared, and what does it; a latency result is any other."""
