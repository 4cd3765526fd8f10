"""`headrace bench routing` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def routing(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of payments.")] = 5,
    logs: Annotated[int, typer.Option(min=1, help="Drawn logs of each case.")] = 400,
    quick: Annotated[bool, typer.Option("--quick", help="One short world, 50 logs.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the picture.")] = Path(
        "reports/bench/routing"
    ),
    answers: Annotated[
        Path | None, typer.Option(help="Folder that keeps learners' answers.")
    ] = None,
) -> None:
    """Regret of every policy, intervals of judged policies, hidden outcomes; minutes of work.

    \b
      headrace bench routing                          5 worlds, 400 logs of each case
      headrace bench routing --quick                  one short world
      headrace bench routing --answers .headrace      learners' answers kept for the next time
    """
    from benchmarks.routing import run
    from benchmarks.routing.worlds import DAYS

    found = run.quick(logs, answers) if quick else run.measure(seeds, DAYS, logs, answers)
    console = Console(width=120)
    for table in run.tables(found):
        console.print(table)
    run.keep(found, out)
    console.print(f"kept in {out}/", soft_wrap=True)
