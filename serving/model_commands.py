"""Models on the command line: `headrace model …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.arguments import number
from infra.settings import domain_of

if TYPE_CHECKING:
    from online_models.tallies import Line

app = typer.Typer(name="model", help="Look into models.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look into models."""


@app.command()
def card(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="NAME, or NAME@VERSION.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of Markdown.")] = False,
) -> None:
    """The card of a published snapshot: use, data, quality by slice, calibration, limits.

    \b
      headrace model card logistic
      headrace model card logistic@1250 --json
    """
    import msgspec

    from online_models import cards
    from serving.cards import find, version_in

    domain = domain_of(ctx.obj)
    learner, _, version = name.partition("@")
    wanted = version_in(version)
    if version and wanted is None:
        raise typer.BadParameter(f"version {version!r}; expected a number, as {learner}@1250")
    found = find(ctx.obj, domain, learner, wanted)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(cards.document(found, domain))))
    else:
        typer.echo(cards.markdown(found, domain), nl=False)


def evaluate(
    ctx: typer.Context,
    days: Annotated[
        float, number(help="Days in a window, by when labels came.", min=0.01, max=100_000)
    ] = 7.0,
    by: Annotated[str | None, typer.Option(help="One of the domain's slices too.")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="Only these arms.")] = None,
) -> None:
    """How every arm does on all traffic, by window and slice, before it learned from an example.

    Windows are by the time at which a label came, not by that of its question.

    \b
      headrace evaluate
      headrace evaluate --days 1 --by carrier --arm logistic
    """
    from infra.terminal import print_table
    from schemas.declare import DAY
    from serving import evaluation

    domain = domain_of(ctx.obj)
    known = domain.learner_names
    for name in arm or ():
        if name not in known:
            raise typer.BadParameter(f"no arm {name!r}; there are {', '.join(known)}")
    found = evaluation.evaluate(ctx.obj, domain, round(days * DAY), by)
    rows = [_cells(line) for line in found if not arm or line.arm in arm]
    heads = ("arm", "from", "slice", "examples", "rate", "AUC", "AP", "log loss", "Brier", "ECE")
    print_table("Before learning", heads, rows)


def _cells(line: Line) -> tuple[str, ...]:
    from infra.terminal import utc

    m = line.measures
    measures = (m.rate, m.roc_auc, m.average_precision, m.log_loss, m.brier, m.calibration_error)
    shown = (f"{value:.4f}" for value in measures)
    count = f"{m.examples:,}" + (f" ({m.effective:,.0f} effective)" if m.weighted else "")
    return (line.arm, utc(line.window), line.slice, count, *shown)
