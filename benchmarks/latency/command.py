"""`headrace bench latency` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks import arguments
from benchmarks.arguments import DAY, HOUR_MS, RATE, folder, settings_of
from benchmarks.storing import save
from infra import terminal
from infra.arguments import number
from infra.settings import Settings

if TYPE_CHECKING:
    from benchmarks.latency.results import Options, Result

_FAILED, _INVALID = 1, 2


def latency(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Option(help="A predict URL, here or elsewhere.", callback=arguments.url)
    ] = None,
    own_stack: Annotated[
        bool, typer.Option("--own-stack", help="Start a whole stack for this alone.")
    ] = False,
    rate: Annotated[
        float, number(help="Requests a second; where a search begins.", min=0.1, max=RATE)
    ] = 1000,
    seconds: Annotated[float, number(help="How long a run is measured.", min=0.1, max=DAY)] = 60,
    warmup: Annotated[
        float, number(help="Seconds sent before, and told apart.", min=0, max=DAY)
    ] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Runs, each with its own seed.")] = 1,
    search: Annotated[bool, typer.Option("--search", help="Find the highest rate.")] = False,
    events_rate: Annotated[
        float, number(help="Events a second that flow in meanwhile.", min=0, max=RATE)
    ] = 0,
    labels_rate: Annotated[
        float,
        number(help="Labels a second meanwhile: models learn and are swapped.", min=0, max=RATE),
    ] = 0,
    budget: Annotated[
        float, number(help="Milliseconds an answer may take.", min=0.01, max=HOUR_MS)
    ] = 50,
    connections: Annotated[int, typer.Option(min=1, help="Connections kept open.")] = 64,
    max_connections: Annotated[int, typer.Option(min=1, help="Opened when all are busy.")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="Of arrivals and of what is asked.")] = 1,
    zipf: Annotated[float, number(help="Exponent of popularity; 0 for even.", min=0, max=10)] = 1.0,
    domain: Annotated[str | None, typer.Option(help="Whose data set gives the requests.")] = None,
    body_file: Annotated[Path | None, typer.Option(help="JSON lines to send instead.")] = None,
    at: Annotated[
        str, typer.Option(help="Time asked about: data, now, or ms.", callback=arguments.at)
    ] = "data",
    start: Annotated[str | None, typer.Option(help="Date in the data to begin at.")] = None,
    check: Annotated[
        str, typer.Option(help="headrace, status, or module:function.", callback=arguments.check)
    ] = "headrace",
    background: Annotated[
        str | None, typer.Option(help="What else runs, where it was not started here.")
    ] = None,
    out: Annotated[Path, folder("Folder for the JSON and the picture.")] = Path("bench"),
) -> None:
    """Latency under open-loop Poisson load on any URL, with a verdict against the budget.

    \b
      headrace bench latency                                  the endpoint that runs here
      headrace bench latency --url http://host:8080/predict   one that runs elsewhere
      headrace bench latency --own-stack --events-rate 500 --labels-rate 100
      headrace bench latency --own-stack --search             the highest rate

    Without --url, where no endpoint runs, or where events and labels are to flow in meanwhile, a
    stack is started for the measurement alone.
    """
    from benchmarks.latency.results import Options

    domain = domain or settings_of(ctx).domain
    if start is not None:
        arguments.day_in(domain, start)
    options = Options(
        url=url or "", rate=rate, seconds=seconds, warmup_s=warmup, repeats=repeats,
        budget_ms=budget, connections=connections, max_connections=max_connections, seed=seed,
        zipf=zipf, domain=domain,
        body_file=str(body_file) if body_file else None, at=at, start=start, check=check,
        background=background or "", events_rate=events_rate, labels_rate=labels_rate,
    )  # fmt: skip
    console = terminal.out
    result = measured(console, settings_of(ctx), options, own_stack, search)
    finish(console, result, out)


def measured(
    console: Console, settings: Settings, options: Options, own: bool, search: bool
) -> Result:
    """The result of a run or a search, on the URL, on what runs here, or on a stack of its own."""
    from benchmarks import report
    from benchmarks.latency import background, places
    from benchmarks.load.offer import LoadError
    from benchmarks.traffic import TrafficError

    told = (lambda probe: console.print(report.probe_line(probe))) if search else None
    run_s = options.repeats * (options.warmup_s + options.seconds)
    known = run_s if options.url and not search else None  # not how long a stack takes to start
    try:
        waiting = terminal.waiting("measuring", known)
        with waiting, places.endpoint(settings, options, own) as place:
            console.print(f"{place.options.url}: {place.options.background}")
            return background.measure(place.options, place.settings, place.events, told)
    except (LoadError, TrafficError, ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error


def finish(console: Console, result: Result, out: Path) -> None:
    """Show and keep a result; exits with 1 where it failed, 2 where it is invalid."""
    from benchmarks import report
    from benchmarks.latency import pictures

    save(result, out / "latency.json")
    console.print(report.told(result))
    picture = out / "latency.png"
    picture.unlink(missing_ok=True)  # of an earlier result
    if any(run.answered for run in result.runs):
        pictures.draw(result, picture)
    console.print(f"kept in {out}/")
    if result.failures:
        raise typer.Exit(_FAILED)
    if not result.valid:
        raise typer.Exit(_INVALID)
