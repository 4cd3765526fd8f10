"""The drift benchmark in one picture: false alarms against the budget, delays of what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.drift.tally import Tally

_COLOURS = ("#2b6cb0", "#dd8533", "#c53030", "#718096", "#1a202c", "#a0aec0")


def draw(tallies: Sequence[Tally], path: Path) -> None:
    """Left: false alarms per 30 days of the quiet runs; right: found drifts by their delay."""
    figure = Figure(figsize=(12, 10), layout="constrained", dpi=110)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    names = list(dict.fromkeys(t.detector for t in tallies))
    _false(left, [t for t in tallies if not t.planted], names)
    _found(right, [t for t in tallies if t.planted], names)
    figure.savefig(path)


def _false(axes: Any, quiet: Sequence[Tally], names: Sequence[str]) -> None:
    cases = list(dict.fromkeys(t.case for t in quiet))
    for t in quiet:
        place = names.index(t.detector) + 0.35 * (cases.index(t.case) - (len(cases) - 1) / 2)
        low, high = t.interval()
        marker = "os^"[cases.index(t.case)]
        colour = _COLOURS[names.index(t.detector)]
        error = [[max(0.0, t.rate - low)], [max(0.0, high - t.rate)]]
        axes.errorbar(max(t.rate, 0.01), place, xerr=error, fmt=marker, color=colour, capsize=3)
    axes.axvline(1.0, color="#c53030", linestyle="--")
    axes.annotate("budget", (1.0, len(names) - 0.6), (4, 0), textcoords="offset points",
                  color="#c53030", fontsize=9)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(0.008, None)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel("false alarms per 30 days without drift (0.01 stands for none)")
    title = ", ".join(f"{'○□△'[i]} {case}" for i, case in enumerate(cases))
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)


def _found(axes: Any, planted: Sequence[Tally], names: Sequence[str]) -> None:
    cases = list(dict.fromkeys(t.case for t in planted))
    for t in planted:
        row, number = cases.index(t.case), names.index(t.detector)
        place = row + 0.12 * (number - (len(names) - 1) / 2)
        colour = _COLOURS[number]
        axes.plot(t.delays, [place] * len(t.delays), ".", color=colour, alpha=0.6)
        label = t.detector if row == 0 else None
        delay = float(np.median(t.delays)) if t.delays else np.nan
        axes.plot(delay, place, "D", color=colour, label=label, markersize=5)
        axes.annotate(f"{t.found}/{t.planted}", (45.5, place), color=colour, fontsize=7,
                      va="center")  # fmt: skip
    axes.set_yticks(range(len(cases)), cases)
    axes.invert_yaxis()
    axes.set_xlim(-1, 49)
    axes.set_xlabel("days from the drift to the first alarm (diamond: median); found of planted")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, frameon=False)
    axes.grid(alpha=0.3)
