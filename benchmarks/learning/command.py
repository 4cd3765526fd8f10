"""`headrace bench learning` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.arguments import folder, settings_of
from benchmarks.storing import save
from infra import terminal
from infra.arguments import number

_FAILED = 1


def learning(
    ctx: typer.Context,
    learner: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be given again.")
    ] = None,
    days: Annotated[float, number(help="Days of the data set.", min=1)] = 60,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of learners and of a simulated data set.")] = 0,
    out: Annotated[Path, folder("Folder for the JSON.")] = Path("bench"),
) -> None:
    """Examples per second of each learner in flows/learning, beside a bare River loop.

    \b
      headrace bench learning
      headrace bench learning --learner logistic --days 120
      headrace bench compare before/learning.json bench/learning.json

    Each turn has a broker of its own. Exits with 1 where the flow's probabilities differ from
    those of the bare loop by more than 1e-9, or a learner stays below 0.8 of River in each of at
    least three turns.
    """
    from benchmarks.learning import speed, speeds
    from schemas.dataset import NoSuchData

    console = Console(soft_wrap=True)
    options = speeds.Options(
        domain=settings_of(ctx).domain, learners=tuple(learner or ()), days=days, rounds=rounds,
        seed=seed,
    )  # fmt: skip
    try:
        result = speed.run(options, lambda turn: console.print(speeds.line(turn), highlight=False))
    except speed.WrongScores as error:
        console.print(f"FAILED: {error}", style="bold red", markup=False)
        raise typer.Exit(_FAILED) from error
    except (speed.UnknownLearner, NoSuchData) as error:
        raise typer.BadParameter(str(error)) from error
    save(result, out / "learning.json")
    terminal.out.print(speeds.told(result))
    console.print(f"kept in {out}/")
    raise typer.Exit(_FAILED if result.misses() else 0)
