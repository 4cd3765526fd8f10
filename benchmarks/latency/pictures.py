"""The latency benchmark in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.latency.confidence import at_percentile
from benchmarks.latency.results import Result, Run

_SHOWN = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
_BLUE, _ORANGE, _RED, _GREY = "#2b6cb0", "#dd8533", "#c53030", "#718096"


def draw(result: Result, path: Path) -> None:
    """Percentiles on a log axis against the budget; below, latency over time with model swaps.

    The last run is drawn, with the percentiles of the others behind it. Raises ValueError where
    there is no run with a right answer.
    """
    runs = [run for run in result.runs if run.answered]
    if not runs:
        raise ValueError("there is no run with a right answer to draw")
    figure = Figure(figsize=(10, 8.5), layout="constrained", dpi=110)
    told = f"{result.headline}\n{result.options.background}"
    figure.suptitle(told, fontsize=12, wrap=True)
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 2))
    _percentiles(upper, runs, result.options.budget_ms)
    _over_time(lower, runs[-1], result.options.budget_ms)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _percentiles(axes: Any, runs: list[Run], budget: float) -> None:
    for run in runs[:-1]:
        axes.plot(*_curve(run), color=_GREY, alpha=0.4, linewidth=1)
    last = runs[-1]
    axes.plot(*_curve(last), color=_BLUE, linewidth=2)
    for name in ("p50", "p90", "p99", "p99.9"):
        at, value = 1 / (1 - float(name[1:]) / 100), last.latency[name]
        if value is None:
            continue
        axes.plot(at, value, "o", color=_BLUE)
        offset, side = ((6, -12), "left") if name == "p50" else ((0, 8), "right")
        axes.annotate(f"{name}  {value:.3g} ms", (at, value), offset, ha=side, fontsize=9,
                      textcoords="offset points")  # fmt: skip
    top = max(budget * 1.6, last.answered["max"] * 1.3)
    bottom = max(0.01, min([budget, *(0.8 * run.answered["p50"] for run in runs)]) / 2)
    _budget_line(axes, budget)
    axes.axhspan(budget, top, color=_RED, alpha=0.07)
    ends = [p for p in _SHOWN if 1 / (1 - p / 100) <= last.over_budget.of]
    axes.set_xscale("log")
    _log_latency(axes)
    axes.set_xlim(1, 1 / (1 - ends[-1] / 100) * 1.5)
    axes.set_ylim(bottom, top)
    axes.set_xticks([1 / (1 - p / 100) for p in ends], [f"{p:g} %" for p in ends])
    axes.xaxis.minorticks_off()
    axes.set_title("how many requests were answered how fast", fontsize=10, loc="left")
    axes.set_xlabel("share of requests that were answered as fast or faster")
    axes.set_ylabel("latency from the intended send time, ms")
    axes.grid(alpha=0.3)


def _curve(run: Run) -> tuple[list[float], list[float]]:
    """Odds of being slower, and latency in ms; it ends where requests had no right answer."""
    kept = HdrHistogram.decode(run.histogram.encode())
    asked = run.over_budget.of
    odds = np.geomspace(1, max(2, asked), 200)
    failed = asked - kept.get_total_count()
    values = [at_percentile(kept, failed, 100 * (1 - 1 / odd)) for odd in odds]
    return odds.tolist(), [value if np.isfinite(value) else np.nan for value in values]


def _over_time(axes: Any, run: Run, budget: float) -> None:
    times = [moment.at for moment in run.timeline]
    slowest, p99, p50 = (
        [getattr(moment, name) or np.nan for moment in run.timeline]
        for name in ("max", "p99", "p50")
    )
    axes.fill_between(
        times, p50, slowest, color=_GREY, alpha=0.3, linewidth=0, label="up to the slowest"
    )
    axes.plot(times, p99, color=_ORANGE, linewidth=1.2, label="p99")
    axes.plot(times, p50, color=_BLUE, linewidth=1.2, label="median")
    _mark_failures(axes, run)
    shown = [swap for swap in run.swaps if times[0] <= swap.at <= times[-1]]
    for number, swap in enumerate(shown):
        axes.axvline(swap.at, color="black", linestyle=":", linewidth=0.9,
                     label=None if number else f"model swapped ({len(shown)}×)")  # fmt: skip
    _budget_line(axes, budget)
    _log_latency(axes)
    axes.set_ylim(None, max(budget * 1.6, run.answered["max"] * 1.3))
    axes.set_title("how it went", fontsize=10, loc="left")
    axes.set_xlabel("seconds since the start (warm-up left out)")
    axes.set_ylabel("latency, ms")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5, fontsize=9, frameon=False)
    axes.grid(alpha=0.3)


def _mark_failures(axes: Any, run: Run) -> None:
    failed = [moment.at for moment in run.timeline if moment.failed]
    if failed:
        axes.plot(failed, [0.97] * len(failed), "x", color=_RED, markersize=5,
                  transform=axes.get_xaxis_transform(), label="requests failed")  # fmt: skip


def _log_latency(axes: Any) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _budget_line(axes: Any, budget: float) -> None:
    axes.axhline(budget, color=_RED, linewidth=1.5)
    axes.annotate(f"{budget:g} ms budget", (0.01, budget), (0, 3), color=_RED, fontsize=9,
                  xycoords=axes.get_yaxis_transform(), textcoords="offset points")  # fmt: skip
