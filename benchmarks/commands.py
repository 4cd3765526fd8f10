"""The benchmarks on the command line: `headrace bench …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks import arguments, proof_commands
from benchmarks.learning.command import learning
from benchmarks.proof_commands import settings_of
from benchmarks.storing import save
from infra import terminal
from infra.arguments import number
from infra.settings import Settings

if TYPE_CHECKING:
    from benchmarks.latency.results import Options, Result

app = typer.Typer(name="bench", help="Measure it.", no_args_is_help=True)
app.command()(proof_commands.parity)
app.command()(proof_commands.streams)
app.command()(learning)

_FAILED, _INVALID = 1, 2
_RATE, _DAY, _HOUR_MS = 1e6, 86_400, 3_600_000
"""The most that may be asked for: a second, in seconds, in milliseconds."""


@app.command()
def latency(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Option(help="A predict URL, here or elsewhere.", callback=arguments.url)
    ] = None,
    own_stack: Annotated[
        bool, typer.Option("--own-stack", help="Start a whole stack for this alone.")
    ] = False,
    rate: Annotated[
        float, number(help="Requests a second; where a search begins.", min=0.1, max=_RATE)
    ] = 1000,
    seconds: Annotated[float, number(help="How long a run is measured.", min=0.1, max=_DAY)] = 60,
    warmup: Annotated[
        float, number(help="Seconds sent before, and told apart.", min=0, max=_DAY)
    ] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Runs, each with its own seed.")] = 1,
    search: Annotated[bool, typer.Option("--search", help="Find the highest rate.")] = False,
    events_rate: Annotated[
        float, number(help="Events a second that flow in meanwhile.", min=0, max=_RATE)
    ] = 0,
    labels_rate: Annotated[
        float,
        number(help="Labels a second meanwhile: models learn and are swapped.", min=0, max=_RATE),
    ] = 0,
    budget: Annotated[
        float, number(help="Milliseconds an answer may take.", min=0.01, max=_HOUR_MS)
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
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the picture.")] = Path("bench"),
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

    options = Options(
        url=url or "", rate=rate, seconds=seconds, warmup_s=warmup, repeats=repeats,
        budget_ms=budget, connections=connections, max_connections=max_connections, seed=seed,
        zipf=zipf, domain=domain or settings_of(ctx).domain,
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


@app.command()
def freshness(
    ctx: typer.Context,
    events_rate: Annotated[float, number(help="Events a second.", min=1, max=_RATE)] = 1000,
    seconds: Annotated[
        float, number(help="How long events flow before questions.", min=0.1, max=_DAY)
    ] = 30,
    labels: Annotated[int, typer.Option(min=1, help="Labels to send.")] = 3000,
    labels_rate: Annotated[float, number(help="Labels a second.", min=1, max=_RATE)] = 250,
    seed: Annotated[
        int, typer.Option(min=0, help="Of arrivals and of the simulated data set.")
    ] = 1,
    out: Annotated[Path, typer.Option(help="Folder for the JSON.")] = Path("bench"),
) -> None:
    """Event sent → value servable, and label sent → a model that has seen it serving.

    \b
      headrace bench freshness
      headrace bench freshness --events-rate 200 --seconds 10 --labels 500

    Through a whole stack, started for this alone.
    """
    from benchmarks import report
    from benchmarks.freshness import run as measurement
    from benchmarks.own_stack import own_stack

    options = measurement.Options(
        events_rate=events_rate,
        seconds=seconds,
        labels=labels,
        labels_rate=labels_rate,
        seed=seed,
    )
    console = terminal.out
    with console.status("measuring"), own_stack(settings_of(ctx), events_rate, seed) as alone:
        result = measurement.run(alone.settings, options)
    save(result, out / "freshness.json")
    console.print(report.freshness(result))
    console.print(f"kept in {out}/")


@app.command()
def chaos(
    ctx: typer.Context,
    rate: Annotated[float, number(help="Requests a second.", min=1, max=_RATE)] = 500,
    hang: Annotated[float, number(help="Seconds that Redis hangs.", min=1, max=_DAY)] = 10,
    short: Annotated[float, number(help="Seconds of each other fault.", min=1, max=_DAY)] = 5,
    delay: Annotated[float, number(help="Milliseconds added each way.", min=0, max=_HOUR_MS)] = 100,
    broker: Annotated[float, number(help="Seconds without a broker.", min=1, max=_DAY)] = 60,
    overload: Annotated[
        float, number(help="Seconds of three times too much.", min=1, max=_DAY)
    ] = 10,
    highest: Annotated[float, number(help="That rate; 0 searches for it.", min=0, max=_RATE)] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of arrivals and of what is asked.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for the JSON.")] = Path("bench"),
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


@app.command()
def peers(
    ctx: typer.Context,
    only: Annotated[list[str] | None, typer.Option(help="A peer; may be given again.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of every server.")] = 3,
    seconds: Annotated[float, number(help="Of each measurement.", min=1, max=_DAY)] = 5,
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


@app.command()
def drift(
    seeds: Annotated[
        int, typer.Option(min=1, help="Quiet worlds; planted ones in proportion.")
    ] = 50,
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the picture.")] = Path("bench"),
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the streams.")] = 2,
) -> None:
    """False alarms against the budget, and how soon planted drift is found; minutes of work."""
    from benchmarks.drift import run as measured

    measured.main(seeds, out, workers)


@app.command()
def routing(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of payments.")] = 5,
    logs: Annotated[int, typer.Option(min=1, help="Drawn logs of each case.")] = 400,
    quick: Annotated[bool, typer.Option("--quick", help="One short world, 50 logs.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the picture.")] = Path(
        "reports/bench/routing"
    ),
) -> None:
    """Regret of every policy, intervals of judged policies, hidden outcomes; minutes of work."""
    from benchmarks.routing import run as measured

    measured.main(seeds, logs, quick, out)


if __name__ == "__main__":
    app()
