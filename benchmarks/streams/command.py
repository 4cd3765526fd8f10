"""`headrace bench streams` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.arguments import folder, named, settings_of
from benchmarks.storing import save
from infra import terminal
from infra.arguments import number

if TYPE_CHECKING:
    from benchmarks.streams.results import Options

_FAILED = 1


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
    out: Annotated[Path, folder("Folder for the JSON and the picture.")] = Path("bench"),
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

    Exits with 1 where a run ends with another state than the log says, a peer cannot run, or a
    goal is missed in each of at least three turns.
    """
    from benchmarks.streams import results
    from benchmarks.streams import year as replay

    if year:
        typer.echo(replay.run(settings_of(ctx), days, learner or ()).told())
        return
    _only_of_a_year("days", days, ", or --data-days")
    _only_of_a_year("learner", learner)
    options = results.Options(
        parts=named("part", only, results.PARTS),
        peers=named("peer", peer, results.Options().peers),
        rounds=rounds, events=events, days=data_days, seed=seed, entities=_sizes(entities),
    )  # fmt: skip
    _measure_streams(results.quick(options) if quick else options, environments, out)


def _only_of_a_year(name: str, given: float | list[str] | None, other: str = "") -> None:
    """Refuses an option that nothing would be done with."""
    if given:
        value = " ".join(given) if isinstance(given, list) else given
        told = f"{value} without --year; expected --year{other}"
        raise typer.BadParameter(told, param_hint=f"'--{name}'")


def _sizes(most: int) -> tuple[int, ...]:
    """Ten thousand, and ten times as many up to the most."""
    sizes = [10_000]
    while sizes[-1] * 10 <= most:
        sizes.append(sizes[-1] * 10)
    return tuple(dict.fromkeys([*sizes, most]))


def _measure_streams(options: Options, environments: Path, out: Path) -> None:
    from benchmarks.streams import goals, pictures, report, results
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
    terminal.out.print(report.told(found))
    pictures.draw(found, out / "streams.png")
    console.print(f"kept in {out}/")
    raise typer.Exit(_FAILED if found.missing or goals.misses(found) else 0)
