"""`headrace down`, `status`, `produce`, `topics`, `models`, `dead-letters`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from infra.arguments import number
from infra.settings import domain_of, other_generation
from infra.terminal import complain, out, print_table, progress_bar, utc

Plant = Annotated[
    list[str] | None,
    typer.Option(help="Drift to plant in simulated data, as label@40x3: kind, day, strength."),
]
Truth = Annotated[
    Path | None, typer.Option(help="File for the truth of what is simulated, as JSON lines.")
]


def down(ctx: typer.Context) -> None:
    """Stop everything that `up` started, in order; nothing that was logged is lost on the way."""
    from infra import stack

    stopped = stack.down(ctx.obj)
    out.print(f"stopped {', '.join(stopped)}" if stopped else f"nothing ran in {ctx.obj.home}")


def status(ctx: typer.Context) -> None:
    """What runs, where, and how far behind; exit code 1 where a part is missing.

    Of flows and endpoint, those of the generation that HEADRACE_GENERATION names.
    """
    from infra import status as parts

    found = parts.parts(ctx.obj)
    rows = [
        (
            each.name,
            "[green]up[/]" if each.up else "[red]down[/]",
            escape(each.where),
            each.pid,
            each.lag_records,
            None if each.lag_s is None else f"{each.lag_s:.0f} s",
            each.metrics,
        )
        for each in found
    ]
    heads = ("part", "state", "address", "pid", "lag", "in event time", "metrics")
    print_table("Stack", heads, rows)
    if other := other_generation(ctx.obj):
        out.print(
            f"flows and endpoint in {ctx.obj.home} are of generation {other}, not "
            f"{ctx.obj.generation}: HEADRACE_GENERATION={other} shows them"
        )
    raise typer.Exit(0 if all(each.up for each in found) else 1)


def produce(
    ctx: typer.Context,
    file: Annotated[
        str | None, typer.Argument(help="Avro, JSON lines or Parquet; - for JSON lines on stdin.")
    ] = None,
    dataset: Annotated[bool, typer.Option(help="The domain's shipped data set.")] = False,
    event: Annotated[
        str | None, typer.Option(help='Event of every row; else its field "event" says it.')
    ] = None,
    stream: Annotated[str, typer.Option(help="events, labels or requests.")] = "events",
    days: Annotated[float | None, number(help="Days of the data set.")] = None,
    start: Annotated[str | None, typer.Option(help="Its first day, as 2013-07-01.")] = None,
    speed_up: Annotated[
        float | None, number(help="Times real time; as fast as it goes when left out.", min=0.001)
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first bad row.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of a simulated data set.", show_default="1")
    ] = None,
    plant: Plant = None,
    truth: Truth = None,
) -> None:
    """Put records on a topic, from the shipped data set, a file or standard input.

    \b
      headrace produce --dataset --days 7 --speed-up 3600
      headrace produce departures.parquet --event departed
      tail -f log.jsonl | headrace produce - --event departed

    A bad row is told with its line and field, counted and passed over; the exit code is then 1.
    """
    from infra import producing

    part = producing.Part(days, start, seed, tuple(plant or ()), truth)
    source = producing.source(ctx.obj, file, dataset, event, stream, part)
    with progress_bar() as progress:
        what = "bytes read" if source.size else "produced"
        task = progress.add_task(what, total=source.size or None, at="")
        done = producing.run(
            ctx.obj,
            source,
            speed_up,
            strict,
            lambda made: progress.update(
                task, completed=source.done() or made.total, at=utc(made.time or None)
            ),
        )
    for bad in done.bad.first:
        complain(bad)
    rows = [*done.records.most_common(), ("bad rows", done.bad.number)]
    print_table("Produced", ("record", "number"), rows)
    raise typer.Exit(1 if done.bad.number else 0)


def topics(
    ctx: typer.Context,
    create: Annotated[bool, typer.Option(help="Create those that do not exist.")] = False,
) -> None:
    """The domain's topics: what each is for, partitions, records."""
    from infra import inspection
    from infra.topics import create_topics

    domain = domain_of(ctx.obj)
    if create:
        made = create_topics(ctx.obj, domain)
        out.print(f"created {', '.join(made) or 'none: all were there'}")
    rows = [
        (each.name, each.kind, each.partitions or "[red]missing[/]", each.records, each.about)
        for each in inspection.topics(ctx.obj, domain)
    ]
    print_table("Topics", ("topic", "kind", "partitions", "records", "holds"), rows)


def models(ctx: typer.Context) -> None:
    """The newest snapshot of each learner."""
    from infra import inspection

    rows = [
        (
            each["name"],
            each["kind"],
            each["version"],
            utc(each["time"]),
            f"{len(each['onnx']):,} B",
            f"{each['difference']:.1e} on {each['checked']}",
            ", ".join(f"{name} {value:.4g}" for name, value in sorted(each["metrics"].items())),
        )
        for each in inspection.models(ctx.obj, domain_of(ctx.obj))
    ]
    heads = ("model", "kind", "version", "event time", "size", "difference", "before learning")
    print_table("Models", heads, rows)


def dead_letters(
    ctx: typer.Context,
    last: Annotated[int, typer.Option(min=1, help="How many, from the end.")] = 20,
) -> None:
    """The newest records that could not be used, and why."""
    from infra import inspection
    from infra.dead_letters import described

    letters = inspection.dead_letters(ctx.obj, domain_of(ctx.obj), last)
    for letter in letters:
        out.print(f"{utc(letter['time'])} {escape(described(letter))}", highlight=False)
    if not letters:
        out.print("no dead letters")
