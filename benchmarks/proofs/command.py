"""`headrace bench parity` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.arguments import folder, settings_of
from benchmarks.storing import save
from infra.arguments import number

_FAILED = 1


def parity(
    ctx: typer.Context,
    own_stack: Annotated[
        bool, typer.Option("--own-stack", help="Replay through a stack for this alone.")
    ] = False,
    days: Annotated[
        float | None, number(help="Days of the data set; 3 for a stack of its own.", min=0.001)
    ] = None,
    start: Annotated[str | None, typer.Option(help="Date in the data to begin at.")] = None,
    step: Annotated[float, number(help="Minutes of event time sent at once.", min=0.001)] = 15,
    hurry: Annotated[
        bool, typer.Option("--hurry", help="Ask however far the features flow has come.")
    ] = False,
    patience: Annotated[
        float, number(help="Seconds after which an event in flight is lost.", min=0)
    ] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of a simulated data set.")] = 1,
    out: Annotated[Path, folder("Folder for the JSON.")] = Path("bench"),
) -> None:
    """Every served vector beside one computed again from the raw events of the log.

    \b
      headrace bench parity --own-stack --days 3
      headrace bench parity --own-stack --days 3 --hurry    with events in flight
      headrace bench parity                                 the log of the stack that runs here

    Of a log that is given, what was asked must be of the data set or on the topic of requests.
    Exits with 1, naming the first feature that differs, unless every value is the same.
    """
    from benchmarks.demo.replay import ReplayError
    from benchmarks.proofs import parity as measurement
    from benchmarks.proofs import parity_run
    from infra.kafka import LogError
    from schemas.dataset import NoSuchData

    settings, console, ms = settings_of(ctx), Console(soft_wrap=True), round(1000 * patience)
    try:
        with console.status("measuring"):
            if own_stack:
                result = parity_run.own(settings, days or 3.0, start, seed, step, hurry, ms)
            else:
                result = parity_run.served(settings, days, start, seed, ms)
    except (ReplayError, LogError, NoSuchData) as error:
        raise typer.BadParameter(str(error)) from error
    save(result, out / "parity.json")
    for line in measurement.told(result):
        console.print(line, highlight=False)
    raise typer.Exit(0 if result.equal else _FAILED)
