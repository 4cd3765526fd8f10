"""The report of a run as `report.json`, `.md` and `.png`, and its summary in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib.dates
import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from rich.console import Console
from rich.table import Table

from benchmarks.demo.following import SERVED
from benchmarks.demo.outcome import Outcome, Quality
from infra.terminal import utc
from schemas.declare import DAY

SHOWN_PERCENTILES = ("p50", "p90", "p99", "p99.9")
_COLOURS = (
    "#1f4e9c", "#8a8a8a", "#e07b00", "#2f8f4e", "#b03a7a", "#6a51a3", "#8c564b", "#17a2b8",
    "#9aa51c", "#f4a6a0",
)  # fmt: skip
_BUDGET_COLOUR = "#c62828"
_LEAST = 30
"""Examples below which a point of a line over time is not drawn."""

_MEASURES = ("examples", "positive", "ROC AUC", "log loss")

Cells = tuple[str, ...]


def write(found: Outcome, folder: Path) -> None:
    """Writes the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    (folder / "report.md").write_text(markdown(found))
    picture(found, folder / "report.png")


def show(found: Outcome, folder: Path, console: Console) -> None:
    """Prints the summary."""
    console.print(f"\n[bold]{headline(found)}[/]")
    for title, heads, rows in tables(found):
        table = Table(*heads, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(f"The report: {folder / 'report.md'}, with {folder / 'report.png'}")


def headline(found: Outcome) -> str:
    """The run in one line."""
    auc = found.periods["whole run"][SERVED].auc
    served = "too few examples for a ROC AUC" if np.isnan(auc) else f"ROC AUC {auc:.3f} served"
    return (
        f"{found.counts['events']:,} events, {found.counts['predictions']:,} predictions in "
        f"{found.seconds:.0f} s; {served}; "
        f"p99 {found.latency.percentiles.get('p99', np.nan):.1f} ms of {found.latency.budget:g} ms"
    )


def tables(found: Outcome) -> list[tuple[str, Cells, list[Cells]]]:
    """Title, heads and rows of everything that the report tells in numbers."""
    counts: list[Cells] = [(name, f"{number:,}") for name, number in found.counts.items()]
    return [
        ("What went through", ("", "number"), counts),
        *(
            (f"Quality: {name}", ("", "said", *_MEASURES), _lines(lines))
            for name, lines in found.periods.items()
        ),
        *_unscored(found),
        *_by_month(found),
        ("Latency over HTTP", ("", "ms"), _latency(found)),
        ("Model versions that answered", ("model", "versions", "answers"), _versions(found)),
        ("Faults", ("", "number"), _faults(found)),
    ]


def _lines(lines: Mapping[str, Quality]) -> list[Cells]:
    return [
        (
            who,
            "when asked" if who == SERVED else "when the label came",
            f"{each.examples:,}",
            _figure(each.positives, ".1%"),
            _figure(each.auc),
            _figure(each.log_loss),
        )
        for who, each in lines.items()
    ]


def _figure(value: float, form: str = ".4f") -> str:
    return "–" if np.isnan(value) else f"{value:{form}}"


def _unscored(found: Outcome) -> list[tuple[str, Cells, list[Cells]]]:
    """The arms whose learning was cut off."""
    compared = found.periods["whole run"]
    rows: list[Cells] = [
        (who, f"{number:,}", "" if who in compared else "too few scored to be compared")
        for who, number in found.unscored.items()
        if number
    ]
    return [("Not yet scored when the run ended", ("", "examples", ""), rows)] if rows else []


def _by_month(found: Outcome) -> list[tuple[str, Cells, list[Cells]]]:
    """ROC AUC of what was served and of the arms that answered, month by month."""
    if len(found.months) < 2:
        return []
    answered = {each.model for each in found.versions}
    whos = [who for who in found.periods["whole run"] if who == SERVED or who in answered]
    rows: list[Cells] = [
        (
            month,
            f"{lines[SERVED].examples:,}",
            *(_figure(lines[who].auc) for who in whos),
        )
        for month, lines in found.months.items()
    ]
    return [("ROC AUC by month", ("month", "examples", *whos), rows)]


def _latency(found: Outcome) -> list[Cells]:
    seen = found.latency
    rows = [
        (name, f"{seen.percentiles[name]:.2f}")
        for name in SHOWN_PERCENTILES
        if name in seen.percentiles
    ]
    over = (f"over {seen.budget:g} ms", f"{_figure(seen.over_budget, '.3%')} of answers")
    return [*rows, ("largest", _figure(seen.largest, ".2f")), over]


def _versions(found: Outcome) -> list[Cells]:
    models = dict.fromkeys(each.model for each in found.versions)
    return [
        (
            model,
            f"{sum(each.model == model for each in found.versions):,}",
            f"{sum(each.answers for each in found.versions if each.model == model):,}",
        )
        for model in models
    ]


def _faults(found: Outcome) -> list[Cells]:
    rows = [
        *((f"dead letter: {reason}", f"{n:,}") for reason, n in found.dead_letters.items()),
        *((f"degraded: {what}", f"{n:,}") for what, n in found.degraded.items()),
    ]
    if not found.dead_letters:
        rows.insert(0, ("dead letters", "0"))
    if not found.degraded:
        rows.append(("degraded answers", "0"))
    return [*rows, ("asked again after 503", f"{found.shed:,}")]


def markdown(found: Outcome) -> str:
    """The report as text, with the picture."""
    parts = [
        f"# {found.title}\n",
        f"Asked: {found.positive}? From {utc(found.first)} to {utc(found.last)}.\n",
        f"{headline(found)}\n",
        "![ROC AUC and log loss over time, latency](report.png)\n",
        "Every probability was given before its label was known: `served` is what the endpoint "
        "answered when it was asked, the others are what each learner would have said when the "
        "label came, just before it learned from the example: it has learned more by then. All are "
        "compared on the same examples, those that all of them have scored; where silence is an "
        "answer, without the questions of the last deadline, of which only labels are known.\n",
    ]
    for title, heads, rows in tables(found):
        parts += [f"## {title}\n", "|" + "|".join(heads) + "|", "|" + "---|" * len(heads)]
        parts += ["|" + "|".join(row) + "|" for row in rows]
        parts.append("")
    return "\n".join(parts)


def picture(found: Outcome, path: Path) -> None:
    """ROC AUC and log loss over time with the swaps of models, and latency against the budget."""
    figure = Figure(figsize=(11, 10), layout="constrained")
    FigureCanvasAgg(figure)
    auc, loss, latency = figure.subplots(3, 1, height_ratios=(3, 2, 2))
    _over_time(auc, found, lambda quality: quality.auc, "ROC AUC")
    _over_time(loss, found, lambda quality: quality.log_loss, "log loss")
    auc.set_title(headline(found), loc="left", fontsize=10)
    _mark_swaps(auc, found)
    figure.legend(*auc.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    _draw_latency(latency, found)
    figure.savefig(path, dpi=120)


def _over_time(axes: Axes, found: Outcome, of: Callable[[Quality], float], name: str) -> None:
    whos = list(found.periods["whole run"])
    for who, colour in zip(whos, _COLOURS * len(whos), strict=False):
        points = [p for p in found.timeline if p.lines[who].examples >= _LEAST]
        times = [_day(point.time) for point in points]
        width = 2.4 if who == SERVED else 1.2
        values = [of(point.lines[who]) for point in points]
        front = 3 if who == SERVED else 2
        axes.plot(times, values, color=colour, linewidth=width, label=who, marker=".", zorder=front)
    axes.set_ylabel(name)
    axes.set_xlim(_day(found.first), _day(found.last))
    axes.grid(alpha=0.25)
    locator = matplotlib.dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(locator))


def _mark_swaps(axes: Axes, found: Outcome) -> None:
    """A tick on the lower edge for each snapshot's first answer."""
    swaps = [_day(each.first) for each in found.versions]
    axes.plot(
        swaps,
        np.full(len(swaps), 0.015),
        "|",
        color="black",
        markersize=9,
        alpha=0.6,
        transform=axes.get_xaxis_transform(),
        label=f"model swapped in ({len(swaps)})",
    )


def _draw_latency(axes: Axes, found: Outcome) -> None:
    """Latency by percentile, the tail spread out: the x axis is 1 / (1 - p)."""
    seen = found.latency
    shares = [float(name[1:]) / 100 for name in seen.percentiles]
    axes.plot(
        [1 / (1 - p) for p in shares],
        list(seen.percentiles.values()),
        marker="o",
        color=_COLOURS[0],
        label="answers over HTTP",
    )
    axes.axhline(seen.budget, color=_BUDGET_COLOUR, label=f"budget {seen.budget:g} ms")
    axes.set_xscale("log")
    axes.set_yscale("log")
    # Below the median they are too close together to be read.
    named = [share for share in shares if share >= 0.5]
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks([1 / (1 - share) for share in named], [f"{100 * share:g}" for share in named])
    axes.minorticks_off()
    axes.set_xlabel("percentile")
    axes.set_ylabel("latency, ms")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8)


def _day(ms: int) -> float:
    """Days since the epoch, which is how matplotlib counts dates."""
    return ms / DAY
