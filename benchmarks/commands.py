"""The benchmarks on the command line: `headrace bench …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.drift.command import drift
from benchmarks.faults.command import chaos
from benchmarks.freshness.command import freshness
from benchmarks.latency.command import latency
from benchmarks.learning.command import learning
from benchmarks.peers.command import peers
from benchmarks.proofs.command import parity
from benchmarks.routing.command import routing
from benchmarks.streams.command import streams
from infra import terminal
from infra.arguments import number

app = typer.Typer(name="bench", help="Measure it.", no_args_is_help=True)
for each in (latency, freshness, chaos, streams, learning, peers, drift, routing, parity):
    app.command()(each)


@app.callback()
def measuring(ctx: typer.Context) -> None:
    """Whatever ends a benchmark, it leaves no process and no folder behind."""
    from benchmarks import ending

    ctx.with_resource(ending.as_by_ctrl_c())


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A result's JSON.")],
    second: Annotated[Path, typer.Argument(help="Another's.")],
    confidence: Annotated[
        float, number(help="Of what is called a change.", min=0.5, max=0.9999)
    ] = 0.99,
) -> None:
    """What changed from the first result to the second, beyond noise."""
    from benchmarks import report
    from benchmarks.compare import compare_files

    try:
        found = compare_files(first, second, confidence)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    terminal.out.print(report.compared(found))


if __name__ == "__main__":
    app()
