"""What changed between two results beyond noise.

Two kinds of noise: within a run (bursts of slow requests), which the block bootstrap of each run
shows, and between runs (the machine's mood), which only repeated runs show. With three or more
runs on both sides the logarithms of the percentiles and of the share over budget are compared by
Welch's t-test over runs, all together at the stated confidence (Holm 1979). With fewer, by the
bootstrap intervals of both, and the comparison says that the noise between runs is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.comparison import Change, Comparison, Estimate, ratio, unjudged, unlike, welch
from benchmarks.drift import results as drift
from benchmarks.faults import compare as faults
from benchmarks.faults import run as chaos
from benchmarks.freshness import run as fresh
from benchmarks.freshness.delays import Delay
from benchmarks.freshness.run import Freshness
from benchmarks.latency.confidence import PERCENTILES, Share, interval, middle, read, share
from benchmarks.latency.figures import OVER, floats
from benchmarks.latency.results import LATENCY, Result, Run
from benchmarks.learning import speeds
from benchmarks.peers import compare as peers
from benchmarks.peers import run as peer_runs
from benchmarks.storing import kind_of, load
from benchmarks.streams import results as streams
from benchmarks.streams.comparing import compare_streams

ENOUGH_RUNS = 3
_METRICS = tuple(f"p{p:g}" for p in PERCENTILES)
_OVER = "share over budget"
_IGNORED = {"seed", "repeats", "url", "background"}


def compare(a: Result, b: Result, confidence: float = 0.99) -> Comparison:
    """What changed from `a` to `b`; raises ValueError where a result has no run to compare."""
    for name, result in (("first", a), ("second", b)):
        if not any(run.answered for run in result.runs):
            raise ValueError(f"the {name} result has no run with a right answer")
    repeated = min(len(a.runs), len(b.runs)) >= ENOUGH_RUNS
    judge = _by_runs if repeated else _by_bootstrap
    changes = judge(a.runs, b.runs, confidence)
    notes = [f"the {name} result is invalid: the load generator was its bottleneck"
             for name, result in (("first", a), ("second", b)) if not result.valid]  # fmt: skip
    if not repeated:
        notes.append(
            f"fewer than {ENOUGH_RUNS} runs on a side: the noise between runs is unknown, only that"
            " within a run was judged; repeat both with --repeats 3 or more, taking turns"
        )
    level = f"{confidence * 100:g} %"
    method = (
        f"Welch's t-test over {len(a.runs)} and {len(b.runs)} runs on logarithms, Holm, {level}"
        if repeated
        else f"bootstrap over blocks of time, ratios, {level}"
    )
    return Comparison(
        method=method, unlike=_unlike(a, b), changes=[*changes, *_rates(a, b)], notes=notes
    )


def compare_files(first: Path, second: Path, confidence: float = 0.99) -> Comparison:
    """What changed from one JSON file to another of the same benchmark.

    Raises ResultError for a file that is no result, ValueError for two that cannot be compared.
    """
    kind, other = kind_of(first), kind_of(second)
    if kind != other:
        raise ValueError(
            f"{first} is a result of {kind}, {second} of {other}; expected two of the same"
        )
    if kind not in _KINDS:
        raise ValueError(f"{first} is a result of {kind}; expected one of {', '.join(_KINDS)}")
    of, judge = _KINDS[kind]
    found: Comparison = judge(load(first, of), load(second, of), confidence)
    return found


def compare_freshness(a: Freshness, b: Freshness, confidence: float = 0.99) -> Comparison:
    """What changed in the p99 of the delays, by the bootstrap within each run."""
    pairs = {
        "event → servable p99": (a.event_servable, b.event_servable),
        "label → serving p99": (a.label_serving, b.label_serving),
    }
    level = 1 - (1 - confidence) / len(pairs)  # Bonferroni: the two are judged together
    changes = [
        ratio(metric, *(_p99(delay, level) for delay in pair)) for metric, pair in pairs.items()
    ]
    return Comparison(
        method=f"bootstrap over blocks of time, ratio of percentiles, {confidence * 100:g} %",
        unlike=unlike(a, b, ("seed",)),
        changes=changes,
        notes=["one run on a side: the noise between runs is unknown"],
    )


def _p99(delay: Delay, level: float) -> Estimate:
    ends = interval(read(delay.histogram), 0, np.array(delay.drawn), 99.0, level)
    return Estimate(delay.percentiles["p99"], *(ends or (0.0, np.inf)))


def _logs(runs: Sequence[Run], metric: str) -> NDArray[np.float64]:
    return np.log(_values(runs, metric))


def _values(runs: Sequence[Run], metric: str) -> NDArray[np.float64]:
    return floats([run.latency[metric] for run in runs])


def _by_runs(a: Sequence[Run], b: Sequence[Run], confidence: float) -> list[Change]:
    """A percentile that was without a right answer in some run is told and not judged."""
    logs = {metric: (_logs(a, metric), _logs(b, metric)) for metric in _METRICS}
    judged = {name: pair for name, pair in logs.items() if np.isfinite(np.concatenate(pair)).all()}
    judged[_OVER] = _log_shares(a), _log_shares(b)
    *changes, over = welch(judged, confidence, {_OVER: _fisher(a, b)})
    return [
        *changes,
        *(unjudged(name, *logs[name]) for name in logs if name not in judged),
        _as_shares(over, _over(a).value, _over(b).value),
    ]


def _by_bootstrap(a: Sequence[Run], b: Sequence[Run], confidence: float) -> list[Change]:
    level = 1 - (1 - confidence) / (len(_METRICS) + 1)  # Bonferroni: the five are judged together
    return [
        *(
            ratio(f"p{each:g}", _of_runs(a, each, level), _of_runs(b, each, level))
            for each in PERCENTILES
        ),
        ratio(_OVER, _share_of_runs(a, level), _share_of_runs(b, level)),
    ]


def _of_runs(runs: Sequence[Run], percentile: float, level: float) -> Estimate:
    """The middle run's percentile with the interval of all runs together."""
    metric = f"p{percentile:g}"
    drawn = np.concatenate([floats(run.replicates[metric]) for run in runs])
    kept = read(*(run.histogram for run in runs))
    failed = sum(run.over_budget.of for run in runs) - kept.get_total_count()
    ends = interval(kept, failed, drawn, percentile, level)
    return Estimate(float(np.median(_values(runs, metric))), *(ends or (0.0, np.inf)))


def _share_of_runs(runs: Sequence[Run], level: float) -> Estimate:
    """The share of all runs with the wider of the binomial interval and the bootstrap's."""
    over = _over(runs)
    exact = share(over.count, over.of, level)
    low, high = middle(np.concatenate([floats(run.replicates[OVER]) for run in runs]), level)
    return Estimate(over.value, min(low, exact.low), max(high, exact.high))


def _over(runs: Sequence[Run]) -> Share:
    """The share without a right answer inside the budget, of all runs together."""
    counted = [run.over_budget for run in runs]
    return share(sum(each.count for each in counted), sum(each.of for each in counted), 0.99)


def _log_shares(runs: Sequence[Run]) -> NDArray[np.float64]:
    """Of each run; half a request is added, so that none is no obstacle."""
    counted = [run.over_budget for run in runs]
    return np.log([(each.count + 0.5) / (each.of + 1) for each in counted])


def _fisher(a: Sequence[Run], b: Sequence[Run]) -> float:
    """What single requests alone allow to say: runs of a few overruns each vary too little."""
    table = [[over.count, over.of - over.count] for over in (_over(a), _over(b))]
    return float(stats.fisher_exact(table).pvalue)


def _as_shares(change: Change, a: float, b: float) -> Change:
    """With the shares as they are; there is no ratio where one of them is 0."""
    told = msgspec.structs.replace(change, a=a, b=b)
    if a and b:
        return msgspec.structs.replace(told, ratio=b / a)
    return msgspec.structs.replace(told, ratio=np.nan, low=np.nan, high=np.nan)


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
    LATENCY: (Result, compare),
    fresh.FRESHNESS: (Freshness, compare_freshness),
    streams.STREAMS: (streams.Streams, compare_streams),
    peer_runs.PEERS_KIND: (peer_runs.Peers, peers.compare),
    speeds.LEARNING: (speeds.Learning, speeds.compare),
    chaos.CHAOS: (chaos.Chaos, faults.compare),
    drift.DRIFT: (drift.Drift, drift.compare),
}
"""The results that can be compared, and what does it."""
