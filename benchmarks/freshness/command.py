"""`headrace bench freshness` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.arguments import DAY, RATE, folder, settings_of
from benchmarks.storing import save
from infra import terminal
from infra.arguments import number


def freshness(
    ctx: typer.Context,
    events_rate: Annotated[float, number(help="Events a second.", min=1, max=RATE)] = 1000,
    seconds: Annotated[
        float, number(help="How long events flow before questions.", min=0.1, max=DAY)
    ] = 30,
    labels: Annotated[int, typer.Option(min=1, help="Labels to send.")] = 3000,
    labels_rate: Annotated[float, number(help="Labels a second.", min=1, max=RATE)] = 250,
    seed: Annotated[
        int, typer.Option(min=0, help="Of arrivals and of the simulated data set.")
    ] = 1,
    out: Annotated[Path, folder("Folder for the JSON.")] = Path("bench"),
) -> None:
    """Event sent → value servable, and label sent → a model that has seen it serving.

    \b
      headrace bench freshness
      headrace bench freshness --events-rate 200 --seconds 10 --labels 500

    Through a whole stack, started for this alone.
    """
    from benchmarks import report
    from benchmarks.freshness import run as measurement
    from benchmarks.own_stack import own_stack

    options = measurement.Options(
        events_rate=events_rate,
        seconds=seconds,
        labels=labels,
        labels_rate=labels_rate,
        seed=seed,
    )
    console = terminal.out
    with console.status("measuring"), own_stack(settings_of(ctx), events_rate, seed) as alone:
        result = measurement.run(alone.settings, options)
    save(result, out / "freshness.json")
    console.print(report.freshness(result))
    console.print(f"kept in {out}/")
