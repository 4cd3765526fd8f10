"""The proofs on the command line: `headrace bench parity` and `headrace bench streams`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.storing import save
from infra.arguments import number
from infra.settings import Settings
from infra.settings import load as load_settings

if TYPE_CHECKING:
    from benchmarks.streams.results import Options

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
    save(result, out / "parity.json")
    for line in measurement.told(result):
        console.print(line, highlight=False)
    raise typer.Exit(0 if result.equal else _FAILED)


def streams(
    ctx: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(help="peers, flows, scaling or memory; may be given again."),
    ] = None,
    peer: Annotated[
        list[str] | None, typer.Option(help="Only these peers: bytewax, quix, faust.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 3,
    events: Annotated[int, typer.Option(min=10_000, help="Visits of the workload.")] = 300_000,
    data_days: Annotated[float, number(help="Days of flights for the flows.", min=0.001)] = 14,
    entities: Annotated[int, typer.Option(min=10_000, help="Most users held.")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the visits.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="One short turn of each.")] = False,
    environments: Annotated[
        Path, typer.Option(help="Folder of the peers' environments, made on demand.")
    ] = Path(".headrace/peers"),
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the picture.")] = Path("bench"),
    year: Annotated[
        bool, typer.Option("--year", help="Replay the year of flights instead.")
    ] = False,
    days: Annotated[float | None, number(help="So many days of the year alone.", min=0.001)] = None,
    learner: Annotated[
        list[str] | None, typer.Option(help="Only these learners of the year; all when left out.")
    ] = None,
) -> None:
    """Every flow from broker to sink: events/s, CPU, memory; beside its peers; outputs checked.

    \b
      headrace bench streams                          all of it, a quarter of an hour
      headrace bench streams --only peers --rounds 5   beside Bytewax, Quix, Faust, bare loops
      headrace bench streams --quick                  one short turn of each
      headrace bench streams --year                   a year of flights through the system
      headrace bench streams --year --days 20 --learner logistic --learner tree

    Exits with 1 where a run ends with another state than the log says, or a peer cannot run.
    """
    from benchmarks.streams import results
    from benchmarks.streams import year as replay

    if year:
        typer.echo(replay.run(settings_of(ctx), days, learner or ()).told())
        return
    _known("part", only, results.PARTS)
    _known("peer", peer, results.Options().peers)
    options = results.Options(
        parts=tuple(only or results.PARTS),
        peers=tuple(peer or results.Options().peers),
        rounds=rounds, events=events, days=data_days, seed=seed, entities=_sizes(entities),
    )  # fmt: skip
    _measure_streams(results.quick(options) if quick else options, environments, out)


def _known(what: str, given: list[str] | None, known: Sequence[str]) -> None:
    for name in given or ():
        if name not in known:
            raise typer.BadParameter(f"no {what} {name!r}; there are {', '.join(known)}")


def _sizes(most: int) -> tuple[int, ...]:
    """Ten thousand, and ten times as many up to the most."""
    sizes = [10_000]
    while sizes[-1] * 10 <= most:
        sizes.append(sizes[-1] * 10)
    return tuple(dict.fromkeys([*sizes, most]))


def _measure_streams(options: Options, environments: Path, out: Path) -> None:
    from benchmarks.streams import pictures, report, results
    from benchmarks.streams import run as measurement
    from benchmarks.streams.measured import RunFailed

    console = Console(soft_wrap=True)
    try:
        found = measurement.run(
            options,
            environments.absolute(),
            lambda each: console.print(report.line(each), highlight=False),
        )
    except (results.WrongOutput, RunFailed) as error:
        console.print(f"FAILED: {error}", style="bold red", markup=False)
        raise typer.Exit(_FAILED) from error
    save(found, out / "streams.json")
    console.print(report.told(found), soft_wrap=False)
    pictures.draw(found, out / "streams.png")
    console.print(f"kept in {out}/")
    raise typer.Exit(_FAILED if found.missing else 0)


def settings_of(ctx: typer.Context) -> Settings:
    """Those of the command line, or of the environment where this is the program itself."""
    return ctx.obj if isinstance(ctx.obj, Settings) else load_settings()
