"""The proofs on the command line: `headrace bench parity` and `headrace bench streams`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.settings import Settings
from infra.settings import load as load_settings

_FAILED = 1


def parity(
    ctx: typer.Context,
    own_stack: Annotated[
        bool, typer.Option("--own-stack", help="Replay through a stack for this alone.")
    ] = False,
    days: Annotated[
        float | None, typer.Option(help="Days of the data set; 3 for a stack of its own.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Date in the data to begin at.")] = None,
    step: Annotated[float, typer.Option(help="Minutes of event time sent at once.")] = 15,
    hurry: Annotated[
        bool, typer.Option("--hurry", help="Ask however far the features flow has come.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds after which an event in flight is lost.")
    ] = 60,
    seed: Annotated[int, typer.Option(help="Of a simulated data set.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for the JSON.")] = Path("bench"),
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
    measurement.save(result, out / "parity.json")
    for line in measurement.told(result):
        console.print(line, highlight=False)
    raise typer.Exit(0 if result.equal else _FAILED)


def streams(
    ctx: typer.Context,
    events: Annotated[int, typer.Option(min=1, help="Visits of the workload.")] = 300_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the visits.")] = 7,
    year: Annotated[
        bool, typer.Option("--year", help="Replay the year of flights instead.")
    ] = False,
    days: Annotated[float | None, typer.Option(help="So many days of the year alone.")] = None,
    learner: Annotated[
        list[str] | None, typer.Option(help="Only these learners of the year; all when left out.")
    ] = None,
) -> None:
    """flows/features beside idiomatic Bytewax; the year of flights through all; outputs checked.

    \b
      headrace bench streams                 visits, broker to Redis, in turns
      headrace bench streams --year          flights through features, join and learning
      headrace bench streams --year --days 20 --learner logistic --learner tree
    """
    from benchmarks.streams import run as measurement
    from benchmarks.streams import year as replay

    if year:
        typer.echo(replay.run(settings_of(ctx), days, learner or ()).told())
    else:
        measurement.run_all(events, rounds, seed)


def settings_of(ctx: typer.Context) -> Settings:
    """Those of the command line, or of the environment where this is the program itself."""
    return ctx.obj if isinstance(ctx.obj, Settings) else load_settings()
