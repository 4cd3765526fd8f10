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

_COLOURS = ("#2b6cb0", "#dd8533", "#2f855a", "#805ad5", "#319795", "#b7791f")
_GREY, _RED, _DARK = "#a0aec0", "#c53030", "#1a202c"
_UNIFORM = "split"

Runs = Mapping[str, Sequence[Regret]]


def draw(
    regrets: Runs,
    coverage: Sequence[Covered],
    hidden: Sequence[Lived],
    planted: Sequence[str],
    path: Path,
) -> None:
    """Regret by policy and in time; intervals that hold the truth; money while hidden."""
    figure = Figure(figsize=(15, 11), layout="constrained", dpi=100)
    parts: Any = figure.subfigures(2, 1, height_ratios=(3, 2))
    upper, lower = parts
    bars, curves = upper.subplots(1, 2, width_ratios=(2, 3))
    _bars(bars, regrets)
    _curves(curves, regrets, planted)
    left, middle, right = lower.subplots(1, 3, width_ratios=(4, 3, 3))
    _covered(left, coverage)
    _lived(middle, hidden, "money", "money saved in 30 days", planted)
    _lived(right, hidden, "precision", "average precision over 30 days", planted)
    figure.savefig(path)


def _learns(name: str) -> bool:
    return not name.startswith(("fixed", "canary", _UNIFORM))


def _colour(name: str, names: Sequence[str]) -> str:
    """One for each policy that learns, whatever its feedback."""
    if not _learns(name):
        return _RED if name == _UNIFORM else _GREY
    learning = list(dict.fromkeys(each.split(",")[0] for each in filter(_learns, names)))
    return _COLOURS[learning.index(name.split(",")[0])]


def _bars(axes: Any, regrets: Runs) -> None:
    """Mean regret of every policy, the least on top, and a dot for each world."""
    mean = {name: float(np.mean([one.best for one in runs])) for name, runs in regrets.items()}
    names = sorted(mean, key=mean.__getitem__)
    for place, name in enumerate(names):
        colour = _colour(name, list(regrets))
        axes.barh(place, mean[name], color=colour, alpha=0.6)
        dots = [one.best for one in regrets[name]]
        axes.plot(dots, [place] * len(dots), ".", color=_DARK, markersize=4)
    axes.axvline(mean[_UNIFORM], color=_RED, linestyle="--", linewidth=1)
    shown = ["uniform (split)" if name == _UNIFORM else name for name in names]
    axes.set_yticks(range(len(names)), shown, fontsize=8)
    axes.invert_yaxis()
    axes.set_title("regret against the best single arm in hindsight; a dot a world", fontsize=10)
    axes.set_xlabel("money; less is better; dashed: uniform")
    axes.grid(alpha=0.3, axis="x")


def _curves(axes: Any, regrets: Runs, planted: Sequence[str]) -> None:
    """Of uniform and of the policies that learn, against the best arm of every 30 days."""
    for name, runs in regrets.items():
        if name != _UNIFORM and not _learns(name):
            continue
        mean = np.array([one.changing for one in runs]).mean(axis=0)
        days, colour = SINCE + np.arange(len(mean)), _colour(name, list(regrets))
        dashed = "--" if "all scored" in name else "-"
        label = "uniform (split)" if name == _UNIFORM else name
        axes.plot(days, mean, dashed, color=colour, linewidth=1.6, label=label)
    _changes(axes, planted)
    axes.set_title("the same in time, against the best arm of every 30 days", fontsize=10)
    axes.set_xlabel("day")
    axes.set_ylabel("regret so far: money, mean over worlds")
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(alpha=0.3)


def _changes(axes: Any, planted: Sequence[str]) -> None:
    for one in plants(planted):
        axes.axvline(one.day, color=_GREY, linestyle=":")
        axes.annotate(one.drift, (one.day, 1.0), (2, -9), color=_GREY, fontsize=8,
                      xycoords=axes.get_xaxis_transform(), textcoords="offset points")  # fmt: skip


def _covered(axes: Any, coverage: Sequence[Covered]) -> None:
    """A dot where a tenth of the logs or more is judged; how many are, beside it."""
    cases = list(dict.fromkeys(row.case for row in coverage))
    ways = list(dict.fromkeys(row.way for row in coverage))
    for row in coverage:
        place = cases.index(row.case) + 0.3 * (ways.index(row.way) - 0.5)
        colour = _COLOURS[ways.index(row.way)]
        told = f"{row.judged / row.logs:.0%} judged" if row.judged else "all refused"
        axes.annotate(told, (1.01, place), color=colour, fontsize=7, va="center")
        if row.judged < row.logs / 10:
            continue
        share = row.covered / row.judged
        error = 1.96 * (share * (1 - share) / row.judged) ** 0.5
        label = None if row.way in _labels(axes) else row.way
        axes.errorbar(share, place, xerr=error, fmt="o", color=colour, markersize=4, label=label)
    axes.axvline(0.95, color=_RED, linestyle="--", linewidth=1)
    axes.set_xlim(0.85, 1.05)
    axes.set_yticks(
        range(len(cases)), ["\n".join(case.rsplit(", ", 1)) for case in cases], fontsize=7
    )
    axes.invert_yaxis()
    axes.set_title("share of 95 % intervals that hold the truth", fontsize=10)
    axes.legend(fontsize=8, loc="lower left")
    axes.grid(alpha=0.3)


def _labels(axes: Any) -> list[str]:
    return list(axes.get_legend_handles_labels()[1])


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
