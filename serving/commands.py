"""`headrace serve`, `stream`, `predict`, `features show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.settings import domain_of
from infra.terminal import complain, print_table, progress_bar, shown, utc

if TYPE_CHECKING:
    from infra.settings import Settings

app = typer.Typer(help="Look at entities and their features.", no_args_is_help=True)
"""The group `features`."""


def serve(
    ctx: typer.Context,
    processes: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    share_port: Annotated[
        bool, typer.Option("--share-port", help="Let other processes listen on it too.")
    ] = False,
    checked: Annotated[
        bool, typer.Option("--checked", hidden=True, help="Whoever starts it has checked learners.")
    ] = False,
) -> None:
    """Run the endpoint: POST /predict, /docs, /models, /healthz, /readyz, /metrics.

    \b
      headrace serve
      headrace serve --processes 4

    A connection stays with its process: clients of several processes keep several connections.
    """
    from infra.logs import log_to_stderr
    from serving import fleet, server, sound

    settings = ctx.obj
    log_to_stderr(settings)
    domain = domain_of(settings)
    if not checked:
        sound.check_learners(settings.domain)
        settings = _placed(settings)
    if processes > 1:
        fleet.run(settings, processes)
    else:
        server.serve(settings, domain, share_port)


def _placed(settings: Settings) -> Settings:
    """The settings with a port that is known, told to the stack whose endpoint has ended."""
    from infra.processes import free_port
    from infra.stack import ENDPOINT
    from infra.stack_file import take_place

    placed = settings.model_copy(update={"http_port": settings.http_port or free_port()})
    url = f"http://{placed.http_host}:{placed.http_port}"
    take_place(placed, ENDPOINT, f"{url}/metrics", url)
    return placed


def stream(ctx: typer.Context) -> None:
    """Answer requests from the topic requests to the topic predictions, as /predict would.

    \b
      headrace produce requests.jsonl --stream requests
      headrace stream

    Processes that run this share the topic's partitions. Bad requests go to dead-letters.
    """
    from infra.logs import log_to_stderr
    from serving import sound
    from serving import stream as streamed

    log_to_stderr(ctx.obj)
    domain = domain_of(ctx.obj)
    sound.check_learners(ctx.obj.domain)
    streamed.stream(ctx.obj, domain)


def predict(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(help="name=value of the request.")] = None,
    json: Annotated[str | None, typer.Option(help="The request as JSON instead.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Requests: an Avro, JSON lines or Parquet file.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Requests: a topic, as requests or requests/2:0-1000."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Answers: a file .avro, .jsonl or .parquet.")
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Log the answers of a file or topic to predictions.")
    ] = False,
) -> None:
    """Ask the running endpoint one question; or answer a file or a topic's requests.

    \b
      headrace predict carrier=UA flight=UA1545 origin=EWR dest=IAH \\
          distance=1400 scheduled=2013-01-03T10:15:00Z at=2013-01-03T09:15:00Z
      headrace predict --file requests.parquet --out answers.parquet
      headrace predict --from requests:0-1000 --out answers.jsonl

    The answers to a file or a topic come from the endpoint's own predictor, with Redis and the
    newest models as they are now; no endpoint needs to run. They are not logged to predictions
    (so nothing is learned from them) unless --log says so. A bad row is told with its line and
    field, counted and passed over; the exit code is then 1.
    """
    from serving import client

    if file or from_ or to:
        if words or json:
            raise typer.BadParameter("give one request, or --file or --from: not both")
        _predict_all(ctx.obj, file, from_, to, log)
        return
    answer = client.ask(ctx.obj.endpoint, client.request(ctx.obj, words or [], json))
    print_table("Answer", ("", ""), [(name, shown(value)) for name, value in answer.items()])


def _predict_all(
    settings: Settings, file: Path | None, from_: str | None, to: Path | None, log: bool
) -> None:
    from infra.written import check_apart
    from serving import bulk

    if to is None or (file is None) == (from_ is None):
        raise typer.BadParameter("give --file or --from, and --out")
    if file:
        check_apart(file, to)
    domain = domain_of(settings)
    asked = bulk.of_file(domain, file) if file else bulk.of_topic(settings, domain, str(from_))
    with progress_bar() as progress:
        task = progress.add_task(f"{asked.unit} read", total=asked.size, at="0 answered")
        done = bulk.run(
            settings,
            domain,
            asked,
            to,
            log,
            lambda made: progress.update(
                task, completed=asked.done(), at=f"{made.answers:,} answered"
            ),
        )
    for bad in done.bad.first:
        complain(bad)
    rows = [("answers", done.answers), ("bad rows", done.bad.number), *done.degraded.most_common()]
    print_table(f"Answers in {to}", ("", "number"), rows)
    raise typer.Exit(1 if done.bad.number else 0)


@app.command()
def show(
    ctx: typer.Context,
    entity: Annotated[str, typer.Argument(help="Such as origin.")],
    key: Annotated[str, typer.Argument(help="Such as JFK; parts of a key joined by |.")],
    at: Annotated[
        str | None, typer.Option(help="Moment as ISO 8601 or ms; that of its newest event.")
    ] = None,
) -> None:
    """The features of an entity at a moment, from its state in Redis.

    \b
      headrace features show origin JFK --at 2013-01-02T12:00:00Z
    """
    from serving import features

    found = features.show(ctx.obj, entity, key, at)
    title = f"{entity} {key} at {utc(found.at)} (newest event {utc(found.newest)})"
    rows = [
        (name, shown(value), "no longer kept" if name in found.forgotten else "")
        for name, value in found.values.items()
    ]
    print_table(title, ("feature", "value", ""), rows)
    if found.forgotten:
        complain(
            f"Of {len(found.forgotten)} features the state at {utc(found.at)} is no longer kept, "
            "or only in part: tiles are overwritten as newer events come. The vector that was "
            "served then stands with its prediction on the predictions topic."
        )
