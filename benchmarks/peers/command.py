"""`headrace bench peers` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.arguments import DAY, settings_of
from benchmarks.storing import save
from infra import terminal
from infra.arguments import number

_FAILED = 1


def peers(
    ctx: typer.Context,
    only: Annotated[list[str] | None, typer.Option(help="A peer; may be given again.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of every server.")] = 3,
    seconds: Annotated[float, number(help="Of each measurement.", min=1, max=DAY)] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of arrivals and of what is asked.")] = 1,
    environments: Annotated[
        Path, typer.Option(help="Folder of the peers' environments, made on demand.")
    ] = Path(".headrace/peers"),
    out: Annotated[Path, typer.Option(help="Folder for the JSON.")] = Path("bench"),
) -> None:
    """The endpoint beside other servers that do the same work, in turns, as ratios.

    \b
      headrace bench peers
      headrace bench peers --only fastapi --repeats 5

    Peers do not log their predictions; the endpoint does. All give the same probabilities.
    """
    from benchmarks.own_stack import own_stack
    from benchmarks.peers import report as peer_report
    from benchmarks.peers import run as peer_runs
    from infra.stack import FLOWS

    known = peer_runs.Options().peers
    for name in only or ():
        if name not in known:
            raise typer.BadParameter(f"no peer {name!r}; there are {', '.join(known)}")
    options = peer_runs.Options(
        peers=tuple(only or known), repeats=repeats, seconds=seconds, seed=seed
    )
    console = terminal.out

    def told(found: peer_runs.Peers) -> None:
        console.print(peer_report.turn_line(found.turns[-1]))
        save(found, out / "peers.json")  # a later turn may fail, and each takes a minute

    with own_stack(settings_of(ctx), seed=seed) as alone:
        alone.stack.stop(*FLOWS)
        result = peer_runs.run(alone, options, environments, told)
    save(result, out / "peers.json")
    console.print(peer_report.told(result))
    console.print(f"kept in {out}/")
    raise typer.Exit(_FAILED if result.missing else 0)
