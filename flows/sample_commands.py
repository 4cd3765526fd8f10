"""`headrace sample …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from infra.settings import domain_of
from infra.terminal import out, print_table, shown, utc

app = typer.Typer(help="Look at the samples of the examples.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at the samples of the examples, as `flows/sampling` keeps them."""


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A sample; all of them in short.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="How many of its rows to print.")] = 5,
    file: Annotated[
        Path | None, typer.Option("--out", help="Write its rows to a .parquet or .jsonl file.")
    ] = None,
) -> None:
    """The newest snapshots in the log: kind, size, stream length, strata, time span, rows.

    \b
      headrace sample show
      headrace sample show labels --rows 10
      headrace sample show labels --out labels.parquet

    A row's weight is how many examples of the stream it stands for: weights of all rows, or of a
    slice's, add up to their number in the mean.
    """
    from flows import samples

    domain = domain_of(ctx.obj)
    if name is None:
        if file is not None:
            raise typer.BadParameter("--out needs the NAME of a sample")
        _table(samples.read(ctx.obj, domain))
        return
    sample = samples.read_one(ctx.obj, domain, name)
    if file is not None:
        out.print(f"{samples.write(domain, sample, file):,} rows of {name} in {escape(str(file))}")
        return
    _table({name: sample})
    if sample["strata"]:
        lines = [(escape(s), f"{n:,}", f"{k:,}") for s, n, k in samples.strata(sample)]
        print_table("Strata, the rarest first", ("stratum", "offered", "kept"), lines)
    heads = ("id", "time", "label", "served", "stratum", "weight")
    print_table(f"{rows} of its rows", heads, [_row(row) for row in sample["rows"][:rows]])


def _table(found: dict[str, Any]) -> None:
    heads = ("sample", "kind", "size", "kept", "of examples", "strata", "oldest", "newest")
    lines = [
        (
            name,
            sample["kind"],
            f"{sample['size']:,}",
            f"{len(sample['rows']):,}",
            f"{sample['version']:,}",
            len(sample["strata"]) or None,
            utc(sample["since"]),
            utc(sample["time"]),
        )
        for name, sample in sorted(found.items())
    ]
    print_table("Samples", heads, lines)


def _row(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        escape(row["id"]),
        utc(row["time"]),
        f"{row['label']:g}",
        shown(row["probability"]),
        escape(row["stratum"]),
        shown(row["weight"]),
    )
