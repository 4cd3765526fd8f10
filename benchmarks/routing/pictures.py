"""The routing benchmark in one picture: regret, coverage, and outcomes that stay hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.routing.hidden import Lived
from benchmarks.routing.logs import Covered
from benchmarks.routing.regret import Regret
from benchmarks.routing.worlds import SINCE
from schemas.payments.simulator import plants

_COLOURS = ("#2b6cb0", "#dd8533", "#c53030", "#2f855a", "#805ad5", "#1a202c", "#b7791f", "#319795")
_GREY, _RED = "#a0aec0", "#c53030"


def draw(
    regrets: Mapping[str, Sequence[Regret]],
    coverage: Sequence[Covered],
    hidden: Sequence[Lived],
    planted: Sequence[str],
    path: Path,
) -> None:
    """Mean regret over the seeds in time; intervals that hold the truth; money while hidden."""
    figure = Figure(figsize=(14, 10), layout="constrained", dpi=100)
    parts: Any = figure.subfigures(2, 1, height_ratios=(3, 2))
    upper, lower = parts
    axes, of_fixed = upper.subplots(1, 2)
    learning = {name: runs for name, runs in regrets.items() if not name.startswith("fixed")}
    fixed = {name: runs for name, runs in regrets.items() if name.startswith(("fixed", "split"))}
    _curves(axes, learning, "policies, against the best arm of every 30 days", planted, "changing")
    _curves(of_fixed, fixed, "one arm for all, the same", planted, "changing")
    left, middle, right = lower.subplots(1, 3)
    _covered(left, coverage)
    _lived(middle, hidden, "money", "money saved in 30 days", planted)
    _lived(right, hidden, "precision", "average precision over 30 days", planted)
    figure.savefig(path)


def _curves(
    axes: Any, regrets: Mapping[str, Sequence[Regret]], title: str, planted: Sequence[str], of: str
) -> None:
    for number, (name, runs) in enumerate(regrets.items()):
        curves = np.array([getattr(one, of) for one in runs])
        mean, days = curves.mean(axis=0), SINCE + np.arange(curves.shape[1])
        dashed = "--" if "all scored" in name else ":" if name.startswith("canary") else "-"
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(days, mean, dashed, color=colour, linewidth=1.6, label=name)
        axes.annotate(f"{mean[-1]:,.0f}", (days[-1], mean[-1]), (3, 0), color=colour, fontsize=7,
                      textcoords="offset points", va="center")  # fmt: skip
    _changes(axes, planted)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("day")
    axes.set_ylabel("cumulative regret, money, mean over seeds")
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(alpha=0.3)


def _changes(axes: Any, planted: Sequence[str]) -> None:
    for one in plants(planted):
        axes.axvline(one.day, color=_GREY, linestyle=":")
        axes.annotate(one.drift, (one.day, 1.0), (2, -9), color=_GREY, fontsize=8,
                      xycoords=axes.get_xaxis_transform(), textcoords="offset points")  # fmt: skip


def _covered(axes: Any, coverage: Sequence[Covered]) -> None:
    cases = list(dict.fromkeys(row.case for row in coverage))
    ways = list(dict.fromkeys(row.way for row in coverage))
    for row in coverage:
        place = cases.index(row.case) + 0.25 * (ways.index(row.way) - 0.5)
        colour = _COLOURS[ways.index(row.way)]
        if not row.judged:
            axes.annotate("refused", (0.71, place), color=_RED, fontsize=7, va="center")
            continue
        share = row.covered / row.judged
        error = 1.96 * (share * (1 - share) / row.judged) ** 0.5
        label = row.way if row.case == cases[0] else None
        axes.errorbar(share, place, xerr=error, fmt="o", color=colour, markersize=4, label=label)
    axes.axvline(0.95, color=_RED, linestyle="--", linewidth=1)
    axes.set_xlim(0.7, 1.005)
    axes.set_yticks(range(len(cases)), [case.replace(", ", "\n", 1) for case in cases], fontsize=7)
    axes.invert_yaxis()
    axes.set_title("share of 95 % intervals that hold the truth", fontsize=10)
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(alpha=0.3)


def _lived(axes: Any, hidden: Sequence[Lived], of: str, title: str, planted: Sequence[str]) -> None:
    for number, name in enumerate(dict.fromkeys(one.name for one in hidden)):
        rows = np.array([getattr(one, of) for one in hidden if one.name == name])
        days = SINCE + 15 + 30 * np.arange(rows.shape[1])
        style = "--" if name == "all seen" else "-"
        colour = "black" if name == "all seen" else _COLOURS[number]
        axes.plot(
            days, rows.mean(axis=0), style, marker="o", color=colour, markersize=4, label=name
        )
    _changes(axes, planted)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("day")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
