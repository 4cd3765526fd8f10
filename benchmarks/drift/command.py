"""`headrace bench drift` on the command line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def drift(
    seeds: Annotated[
        int, typer.Option(min=1, help="Quiet streams of a kind; planted ones in proportion.")
    ] = 50,
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the picture.")] = Path("bench"),
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the streams.")] = 2,
) -> None:
    """False alarms against the budget, and how soon planted drift is found; minutes of work.

    \b
      headrace bench drift              50 quiet streams of payments, 25 of each planted drift
      headrace bench drift --seeds 5
    """
    from benchmarks.drift import run
    from benchmarks.drift.pictures import draw
    from benchmarks.drift.tally import table

    tallies = run.measure(seeds, workers, partial(run.keep, out / "drift.json"))
    console = Console(width=120)
    console.print(table(tallies))
    draw(tallies, out / "drift.png")
    console.print(f"kept in {out}/", soft_wrap=True)
