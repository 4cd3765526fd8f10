"""`headrace bench chaos` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.arguments import DAY, HOUR_MS, RATE, folder, settings_of
from benchmarks.storing import save
from infra import terminal
from infra.arguments import number

_FAILED = 1


def chaos(
    ctx: typer.Context,
    rate: Annotated[float, number(help="Requests a second.", min=1, max=RATE)] = 500,
    hang: Annotated[float, number(help="Seconds that Redis hangs.", min=1, max=DAY)] = 10,
    short: Annotated[float, number(help="Seconds of each other fault.", min=1, max=DAY)] = 5,
    delay: Annotated[float, number(help="Milliseconds added each way.", min=0, max=HOUR_MS)] = 100,
    broker: Annotated[float, number(help="Seconds without a broker.", min=1, max=DAY)] = 60,
    overload: Annotated[
        float, number(help="Seconds of three times too much.", min=1, max=DAY)
    ] = 10,
    highest: Annotated[
        float,
        number(
            help="That rate; 0 searches, and takes --rate where none is found.", min=0, max=RATE
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of arrivals and of what is asked.")] = 1,
    out: Annotated[Path, folder("Folder for the JSON.")] = Path("bench"),
) -> None:
    """Redis hangs, is slow, resets and trickles; the broker is gone; too much is asked.

    \b
      headrace bench chaos
      headrace bench chaos --hang 3 --short 2 --broker 5 --overload 3

    With a whole stack, started for this alone. Exits with 1 where a goal was missed, an answer was
    wrong or a prediction record lost.
    """
    from benchmarks import report
    from benchmarks.faults import goals
    from benchmarks.faults import run as measurement
    from benchmarks.own_stack import own_stack

    options = measurement.Options(
        rate=rate, hang_s=hang, short_s=short, delay_ms=delay, broker_s=broker,
        overload_s=overload, highest=highest, seed=seed,
    )  # fmt: skip
    console = terminal.out
    with console.status("measuring"), own_stack(settings_of(ctx), seed=seed) as alone:
        result = measurement.run(alone, options)
    save(result, out / "chaos.json")
    console.print(report.chaos(result))
    console.print(f"kept in {out}/")
    raise typer.Exit(_FAILED if goals.misses(result) else 0)
