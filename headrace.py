"""The command line: parses, calls a function of a room, prints what it gives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands import app as bench_app
from flows.commands import flow, up
from flows.drift_commands import app as drift_app
from flows.sample_commands import app as sample_app
from infra import commands as infra_commands
from infra.arguments import number
from infra.commands import Plant, Truth
from infra.memory import keep_freed
from infra.terminal import complain, fill_helps, out
from serving import commands as serving_commands
from serving.model_commands import app as model_app
from serving.model_commands import evaluate
from serving.route_commands import app as route_app

OWN = {"schemas", "online_models", "infra", "flows", "serving", "benchmarks", "redis"}
"""Packages whose exceptions are told to the person at the shell in a line, not as a traceback."""

HELP = """
Events in, live predictions out, models that learn while they serve.

\b
Begin here; it needs nothing, shows everything and ends by itself:
  [cyan]headrace demo[/]

\b
By hand, on this machine:
  [cyan]headrace up[/]                             broker, Redis, flows, endpoint
  [cyan]headrace produce --dataset --days 3[/]     three days of real flights
  [cyan]headrace status[/]                         what runs, and how far behind
  [cyan]headrace features show origin JFK[/]         what is known of an airport
  [cyan]headrace down[/]

\b
With a Kafka or Redpanda and a Redis of your own: set HEADRACE_KAFKA,
HEADRACE_REDIS and, where there is one, HEADRACE_REGISTRY; then
  [cyan]headrace topics --create[/]
and, each a process of its own:
  [cyan]headrace flow features[/]
  [cyan]headrace flow learning[/]
  [cyan]headrace serve[/]
and, for requests that come as a stream:
  [cyan]headrace stream[/]
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich", add_completion=False)


@app.callback()
def options(
    ctx: typer.Context,
    domain: Annotated[
        str | None, typer.Option(help="The domain; HEADRACE_DOMAIN.", show_default="flights")
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="Folder of the embedded stack; HEADRACE_HOME.", show_default=".headrace"),
    ] = None,
    # main looks for it: an error can come before this is called.
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Every setting is also an environment variable HEADRACE_…; options win."""
    from infra import settings

    given = {"domain": domain, "home": home}
    ctx.obj = settings.load(**{name: value for name, value in given.items() if value is not None})


@app.command()
def demo(
    ctx: typer.Context,
    days: Annotated[float | None, number(help="Days of the data set to replay.")] = None,
    start: Annotated[str | None, typer.Option(help="First day, as 2013-07-01.")] = None,
    step: Annotated[
        float | None, number(help="Minutes of event time in a step; the data set's own.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Folder of the report.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of a simulated data set.")] = 1,
    plant: Plant = None,
    truth: Truth = None,
    kafka: Annotated[
        str | None, typer.Option(help="Brokers to use in place of the embedded one.")
    ] = None,
    domain: Annotated[
        str | None, typer.Option(help="The domain.", show_default="HEADRACE_DOMAIN, or flights")
    ] = None,
) -> None:
    """Replay real events through a whole stack of its own, ask, learn, and report.

    \b
      headrace demo                            a part of the year, within three minutes
      headrace demo --days 365                 all of it
      headrace demo --domain payments          simulated card payments with planted fraud

    Ends by itself and leaves no process behind; Ctrl-C stops it cleanly at any moment.
    """
    from benchmarks.demo import run as demonstration

    plan = demonstration.Plan(
        domain or ctx.obj.domain, days, start, step, report, seed, tuple(plant or ()), truth, kafka
    )
    demonstration.run(plan, ctx.obj, out)


for command in (
    up,
    infra_commands.down,
    infra_commands.status,
    infra_commands.produce,
    serving_commands.predict,
    serving_commands.serve,
    serving_commands.stream,
    flow,
    evaluate,
    infra_commands.topics,
    infra_commands.models,
    infra_commands.dead_letters,
):
    app.command()(command)
for name, group in {
    "features": serving_commands.app,
    "model": model_app,
    "sample": sample_app,
    "drift": drift_app,
    "route": route_app,
    "bench": bench_app,
}.items():
    app.add_typer(group, name=name)
fill_helps(app)


def main() -> None:
    """Runs a command; an error of our own or of a path is told in a line, with exit code 1."""
    keep_freed()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        told = _told(error)
        if "--debug" in sys.argv or told is None:
            raise
        complain(told)
        sys.exit(1)


def _told(error: Exception) -> str | None:
    """An error of our own, or of a path that cannot be used, in a line; None for any other."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename2 or error.filename}: {error.strerror}"
    return str(error) if type(error).__module__.split(".")[0] in OWN else None


if __name__ == "__main__":
    main()
