"""`headrace bench routing` on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.arguments import folder

if TYPE_CHECKING:
    from benchmarks.routing.logs import Case


def routing(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of payments.")] = 5,
    logs: Annotated[int, typer.Option(min=1, help="Drawn logs of each case.")] = 400,
    quick: Annotated[bool, typer.Option("--quick", help="One short world, 50 logs.")] = False,
    out: Annotated[Path, folder("Folder for the JSON and the picture.")] = Path(
        "reports/bench/routing"
    ),
    case: Annotated[
        list[str] | None,
        typer.Option(help="Only the intervals, of logs with this in their name; more than once."),
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Folder that keeps learners' answers.")
    ] = None,
) -> None:
    """Regret of every policy, intervals of judged policies, hidden outcomes; minutes of work.

    \b
      headrace bench routing                          5 worlds, 400 logs of each case
      headrace bench routing --quick                  one short world
      headrace bench routing --answers .headrace      learners' answers kept for the next time
      headrace bench routing --case 160,000 --logs 2000
    """
    from benchmarks.routing import run
    from benchmarks.routing.worlds import DAYS

    if case:
        found = run.intervals(_chosen(case), logs, answers)
    elif quick:
        found = run.quick(logs, answers)
    else:
        found = run.measure(seeds, DAYS, logs, answers)
    console = Console(width=120)
    for table in run.tables(found):
        console.print(table)
    run.keep(found, out)
    console.print(f"kept in {out}/", soft_wrap=True)


def _chosen(words: Sequence[str]) -> list[Case]:
    from benchmarks.routing.logs import CASES

    for word in words:
        if not any(word in each.name for each in CASES):
            names = "; ".join(each.name for each in CASES)
            raise typer.BadParameter(f"no log has {word!r} in its name; there are {names}")
    return [each for each in CASES if any(word in each.name for word in words)]
