"""The streams benchmark at a glance: records per second, a line each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.streams.ratios import who
from benchmarks.streams.results import PARTS, Streams

_COLOURS = dict(zip(PARTS, ("#4477aa", "#228833", "#ccbb44", "#aa3377"), strict=True))


def draw(result: Streams, path: Path) -> None:
    """Writes a PNG; nothing where only memory was taken."""
    rows: dict[tuple[str, str], list[float]] = {}
    for turn in result.turns:
        rows.setdefault((turn.part, who(turn)), []).append(turn.rate)
    if not rows:
        return
    figure = Figure(figsize=(9, 1 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, ((part, _), rates) in enumerate(rows.items()):
        middle = float(np.median(rates))
        reach = [[middle - min(rates)], [max(rates) - middle]]
        axes.errorbar(middle, place, xerr=reach, fmt="o", color=_COLOURS[part], capsize=3)
        axes.annotate(
            f"{middle:,.0f}", (max(rates), place), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    names = [f"{part}: {result.titles.get(name, name)}" for part, name in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    all_rates = np.concatenate(list(rows.values()))
    axes.set_xscale("log")
    axes.set_xlim(10 ** np.floor(np.log10(all_rates.min() * 0.99)), all_rates.max() * 2)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title("from broker to sink, every result checked", loc="left", fontsize=10)
    axes.set_xlabel("records per second, more is better: median, least and most of the turns")
    axes.grid(axis="x", alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
