"""`headrace up`, which runs all flows and what they need, and `headrace flow`, which runs one."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.settings import domain_of


def up(ctx: typer.Context) -> None:
    """Start what the settings do not name (broker, Redis), topics, flows and endpoint."""
    from infra import stack
    from infra.terminal import print_table
    from online_models.learners import make_all

    make_all(domain_of(ctx.obj))
    addresses = stack.up(ctx.obj)
    print_table("Up", ("", "address"), [*addresses.items(), ("docs", f"{addresses['http']}/docs")])


def flow(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="features, learning, sampling, drift or routing.")],
    workers: Annotated[int, typer.Option(min=1, help="Threads that share the work.")] = 1,
    process: Annotated[
        int | None, typer.Option(min=0, help="This one's place among the addresses.")
    ] = None,
    addresses: Annotated[
        str | None, typer.Option(help="host:port of every process of the flow, with commas.")
    ] = None,
    until_end: Annotated[
        bool, typer.Option(help="End when the log has been worked through.")
    ] = False,
    recovery: Annotated[
        bool, typer.Option(help="Keep snapshots in the home, and go on from the last.")
    ] = True,
) -> None:
    """Run one flow, alone or as one process of several.

    \b
      headrace flow features --workers 2
      headrace flow features --process 0 --addresses a:2101,b:2101
      headrace flow features --process 1 --addresses a:2101,b:2101
    """
    from flows import run
    from infra import processes
    from infra.logs import log_to_stderr

    if (process is None) != (addresses is None):
        raise typer.BadParameter("--process and --addresses go together")
    place = None if process is None else (process, str(addresses).split(","))
    log_to_stderr(ctx.obj)
    processes.give_way(ctx.obj.nice)
    run.run(name, ctx.obj, workers, place, until_end, recovery)
