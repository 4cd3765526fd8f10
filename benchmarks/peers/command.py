"""`headrace bench peers` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.arguments import DAY, folder, named, settings_of
from benchmarks.storing import save
from infra import terminal
from infra.arguments import number

if TYPE_CHECKING:
    from benchmarks.peers.run import Options, Peers
    from infra.settings import Settings

_FAILED = 1


def peers(
    ctx: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="fastapi, mlserver, bentoml, feast, bytewax, quix or faust; may be given again."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 3,
    seconds: Annotated[float, number(help="Of each measurement of a server.", min=1, max=DAY)] = 5,
    events: Annotated[int, typer.Option(min=10_000, help="Visits that streams read.")] = 300_000,
    seed: Annotated[
        int, typer.Option(min=0, help="Of arrivals, of what is asked and of the visits.")
    ] = 1,
    environments: Annotated[
        Path, typer.Option(help="Folder of the peers' environments, made on demand.")
    ] = Path(".headrace/peers"),
    out: Annotated[Path, folder("Folder for the JSON.")] = Path("bench"),
) -> None:
    """The endpoint and flows/features beside others that do the same work, in turns, as ratios.

    \b
      headrace bench peers
      headrace bench peers --only fastapi --only bytewax --repeats 5

    Servers do not log their predictions; the endpoint does. All give the same probabilities, and
    all streams the same features. Exits with 1 where a peer cannot run, a result is wrong, or a
    goal is missed in each of at least three turns.
    """
    from benchmarks.peers import goals, report
    from benchmarks.peers import run as peer_runs
    from benchmarks.streams.measured import RunFailed
    from benchmarks.streams.results import WrongOutput

    options = peer_runs.Options(
        peers=named("peer", only, peer_runs.Options().peers),
        repeats=repeats, seconds=seconds, events=events, seed=seed,
    )  # fmt: skip
    try:
        result = _measure(settings_of(ctx), options, environments, out / "peers.json")
    except (WrongOutput, RunFailed) as error:
        terminal.complain(f"FAILED: {error}")
        raise typer.Exit(_FAILED) from error
    terminal.out.print(report.told(result))
    terminal.out.print(f"kept in {out}/")
    raise typer.Exit(_FAILED if result.missing or goals.misses(result) else 0)


def _measure(settings: Settings, options: Options, environments: Path, path: Path) -> Peers:
    """Streams, then servers; what there is so far is kept after every turn."""
    from benchmarks.own_stack import own_stack
    from benchmarks.peers import report
    from benchmarks.peers import run as peer_runs
    from benchmarks.streams.results import Turn as StreamTurn
    from infra.stack import FLOWS

    found = peer_runs.begin(options)

    def told(turn: peer_runs.Turn | StreamTurn) -> None:
        terminal.out.print(report.line(turn), highlight=False)
        save(found, path)  # a later turn may fail, and each takes a minute

    if set(options.peers) & set(peer_runs.STREAMS):
        peer_runs.streams(found, environments, told)
    if set(options.peers) & set(peer_runs.SERVERS):
        with own_stack(settings, seed=options.seed) as alone:
            alone.stack.stop(*FLOWS)
            peer_runs.servers(found, alone, environments, told)
    save(found, path)
    return found
