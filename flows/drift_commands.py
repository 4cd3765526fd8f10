"""`headrace drift …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from infra.settings import domain_of
from infra.terminal import out, print_table, utc

app = typer.Typer(help="Look at drift alarms.", invoke_without_command=True)


@app.callback()
def alarms(
    ctx: typer.Context,
    open_: Annotated[bool, typer.Option("--open", help="Only those that are open.")] = False,
) -> None:
    """Drift alarms, open and past, as `flows/drift` has written them.

    Their strength is how many times the threshold.

    \b
      headrace drift
      headrace drift --open
      headrace drift show 3f2a --out drift.png
    """
    if ctx.invoked_subcommand is not None:
        return
    from flows import alarm_log
    from schemas.declare import DAY

    domain = domain_of(ctx.obj)
    found = alarm_log.read(ctx.obj, domain)
    rows = [
        (
            each["id"],
            "closed" if each["state"] == "closed" else "[red]open[/]",
            each["kind"],
            escape(f"{each['what']} {each['name']}"),
            each["direction"],
            f"{each['statistic'] / each['threshold']:.1f}×",
            utc(each["since"]),
            utc(each["time"]) if each["state"] == "closed" else None,
        )
        for each in found
        if not open_ or each["state"] != "closed"
    ]
    heads = ("id", "state", "kind", "what", "direction", "strength", "since", "closed")
    if rows:
        print_table(f"Drift of {domain.name}", heads, rows)
        return
    drift = domain.drift
    days, blocks = (drift.warm_up + drift.reference) / DAY, 3 * drift.long + 2
    out.print(
        f"no {'open ' if open_ else ''}alarms; watching begins {days:g} days of event time after "
        f"the stream does, later where a reference of {drift.reference / DAY:g} days has fewer "
        f"than {blocks * drift.records:,} records"
    )


@app.command()
def show(
    ctx: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how the id begins.")],
    file: Annotated[
        Path | None, typer.Option("--out", help="Draw to a file .png, .svg, .pdf, … too.")
    ] = None,
) -> None:
    """One alarm with its two histograms: the reference's and the window's.

    \b
      headrace drift show 3f2a --out drift.png
    """
    from flows import alarm_log

    alarm = alarm_log.read_one(ctx.obj, domain_of(ctx.obj), id_)
    p = alarm["p"]
    untold = "not given by this test" if p is None else ""
    rows = [
        ("state", alarm["state"]),
        ("slice that moved most", escape(alarm["slice"]) or (untold or "none beyond chance")),
        ("chance without a change", untold or f"{p:.2g}"),
        ("since", utc(alarm["since"])),
        ("opened", utc(alarm["opened"])),
        ("newest record", utc(alarm["time"])),
    ]
    print_table(f"{alarm['id']}: {escape(alarm_log.headline(alarm))}", ("", ""), rows)
    heads = (escape(alarm["name"]), "reference", "window")
    print_table("", heads, alarm_log.bars(alarm))
    if file is not None:
        alarm_log.draw(alarm, file)
        out.print(f"drawn in {file}")
