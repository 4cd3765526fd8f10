"""The drift alarms in the log, for a person: newest state of each, and one with its histograms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from infra import inspection
from infra.settings import Settings
from infra.written import ending, new_file
from schemas import nearest
from schemas.declare import Domain

BAR = 40
"""Characters of the longest bar."""

Alarm = Mapping[str, Any]


class UnknownAlarm(ValueError):
    """There is no alarm of that id."""


def read(settings: Settings, domain: Domain) -> list[Alarm]:
    """The newest record of each alarm, in the order in which they opened."""
    newest: dict[str, Alarm] = {}
    for record in inspection.read(settings, domain, "drift"):
        newest[record["id"]] = record
    return sorted(newest.values(), key=lambda alarm: (alarm["opened"], alarm["id"]))


def read_one(settings: Settings, domain: Domain, id_: str) -> Alarm:
    """The newest record of an alarm, by its id or how the id begins; raises UnknownAlarm."""
    alarms = read(settings, domain)
    found = [alarm for alarm in alarms if id_ and alarm["id"].startswith(id_)]
    if len(found) == 1:
        return found[0]
    ids = [alarm["id"] for alarm in alarms]
    what = f"{len(found)} alarms begin with {id_!r}" if found else f"no alarm {id_!r}"
    near = nearest.hint(id_, ids, "`headrace drift` lists them")
    raise UnknownAlarm(f"{what} among the {len(ids)} of {domain.name}{near}")


def bars(alarm: Alarm) -> list[tuple[str, str, str]]:
    """A row for each bin: what it holds, the reference's bar and the window's."""
    most = max([*alarm["reference"], *alarm["recent"], 1e-9])
    rows = zip(alarm["bins"], alarm["reference"], alarm["recent"], strict=True)
    return [(name, _bar(before, most), _bar(now, most)) for name, before, now in rows]


def _bar(share: float, most: float) -> str:
    return f"{'█' * round(BAR * share / most):<{BAR}} {share:6.1%}"


def draw(alarm: Alarm, path: Path) -> None:
    """The two histograms as a picture; raises UnknownFormat and UnwritableFileError."""
    kind = ending(path, (f".{each}" for each in FigureCanvasBase.get_supported_filetypes()))
    figure = Figure(figsize=(9, 5), layout="constrained", dpi=110)
    axes = figure.subplots()
    places = range(len(alarm["bins"]))
    axes.bar([p - 0.2 for p in places], alarm["reference"], 0.4, color="#718096", label="reference")
    axes.bar([p + 0.2 for p in places], alarm["recent"], 0.4, color="#c53030", label="window")
    axes.set_xticks(list(places), alarm["bins"], rotation=30, ha="right", fontsize=8)
    axes.set_ylabel("share of records")
    axes.set_title(headline(alarm), fontsize=10)
    axes.legend(frameon=False)
    with new_file(path) as file:
        figure.savefig(file, format=kind[1:])


def headline(alarm: Alarm) -> str:
    """What drifts, how, and how strongly."""
    return (
        f"{alarm['what']} {alarm['name']}: {alarm['kind']} drift, {alarm['direction']}; "
        f"{alarm['test']} {alarm['statistic']:.3g} beyond {alarm['threshold']:.3g} "
        f"in {alarm['window']}"
    )
