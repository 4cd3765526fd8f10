"""`headrace bench drift` on the command line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from benchmarks.arguments import folder, named

_FAILED = 1


def drift(
    seeds: Annotated[
        int, typer.Option(min=1, help="Quiet streams of a kind; planted ones in proportion.")
    ] = 50,
    only: Annotated[
        list[str] | None,
        typer.Option(help="headrace, or another detector by its name; may be given again."),
    ] = None,
    out: Annotated[Path, folder("Folder for the JSON and the picture.")] = Path("bench"),
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the streams.")] = 2,
) -> None:
    """False alarms against the budget, and how soon planted drift is found: an hour of two cores.

    \b
      headrace bench drift              50 quiet streams of payments, 25 of each planted drift
      headrace bench drift --seeds 5
      headrace bench drift --only headrace      without River's detectors: some ten minutes

    Exits with 1 where Headrace fires more often on quiet streams than its budget, beyond chance:
    the lower end of the interval of 95 % is above it.
    """
    from benchmarks.drift import results, run
    from benchmarks.drift.detectors import DETECTORS
    from benchmarks.drift.pictures import draw
    from benchmarks.drift.tally import table
    from benchmarks.machine import facts

    detectors = named("detector", only, tuple(DETECTORS))
    options = results.Options(seeds=seeds, first_quiet=run.FRESH, first_planted=run.CHANGED)
    keep = partial(results.keep, out / "drift.json", options, facts())
    tallies = run.measure(seeds, detectors, workers, keep)
    console = Console(width=120)
    console.print(table(tallies))
    draw(tallies, out / "drift.png")
    missed = results.misses(tallies)
    for each in missed:
        console.print(Text(f"missed: {each}", style="bold red"))
    console.print(f"kept in {out}/", soft_wrap=True)
    raise typer.Exit(_FAILED if missed else 0)
