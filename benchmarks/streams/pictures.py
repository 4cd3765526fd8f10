"""The streams benchmark at a glance: records per second, a bar each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

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
        axes.barh(place, middle, xerr=reach, color=_COLOURS[part], capsize=2)
        axes.text(middle, place, f"  {middle:,.0f}", va="center", fontsize=8)
    names = [f"{part}: {result.titles.get(name, name)}" for part, name in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("records per second, median with least and most; checked")
    axes.grid(axis="x", alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
