"""What routing earns: regret of every policy, intervals of judged policies, hidden outcomes.

    python -m benchmarks.routing.run                 5 worlds of payments, 400 logs a case
    python -m benchmarks.routing.run --quick         one short world

On payments with planted change. The learners' answers are computed once in a world; every policy
then chooses among them, its rewards coming days later, as in the stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.routing.hidden import SHARES, Lived, live
from benchmarks.routing.logs import CASES, Covered, cover, pool
from benchmarks.routing.regret import RUNS, Regret, choices, regret
from benchmarks.routing.worlds import DAYS, MONEY, PLANTED, Arms, arms

QUICK_DAYS = 150
HIDDEN_SEEDS = 3


def regrets(worlds: Sequence[Arms]) -> dict[str, list[Regret]]:
    """By policy, of every world."""
    return {
        run.name: [regret(world, choices(world, run)) for world in worlds]
        for run in track(RUNS, "policies", console=Console(stderr=True))
    }


def coverage(world: Arms, logs: int) -> list[Covered]:
    """Of every case, by drawn logs."""
    held = pool(world, MONEY.threshold)
    cases = track(CASES, "logs", console=Console(stderr=True))
    return [row for case in cases for row in cover(held, case, logs)]


def hidden(seeds: int, days: int) -> list[Lived]:
    """The same worlds with different shares let through."""
    runs = [(seed, share) for seed in range(seeds) for share in SHARES]
    shown = track(runs, "hidden outcomes", console=Console(stderr=True))
    return [live(seed, share, days, PLANTED) for seed, share in shown]


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of payments.")] = 5,
    logs: Annotated[int, typer.Option(min=1, help="Drawn logs of each case.")] = 400,
    quick: Annotated[bool, typer.Option("--quick", help="One short world, 50 logs.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the picture.")] = Path(
        "reports/bench/routing"
    ),
    answers: Annotated[
        Path | None, typer.Option(help="Folder that keeps learners' answers.")
    ] = None,
) -> None:
    """Regret of every policy, coverage of the judge's intervals, and hidden outcomes."""
    from benchmarks.routing.pictures import draw

    days = QUICK_DAYS if quick else DAYS
    seeds, logs = (1, min(logs, 50)) if quick else (seeds, logs)
    shown = track(range(seeds), "worlds", console=Console(stderr=True))
    worlds = [arms(seed, days, folder=answers) for seed in shown]
    found, covered = regrets(worlds), coverage(worlds[0], logs)
    lived = hidden(min(seeds, HIDDEN_SEEDS), days)
    console = Console(width=120)
    for table in (regret_table(found), coverage_table(covered), hidden_table(lived)):
        console.print(table)
    out.mkdir(parents=True, exist_ok=True)
    kept = {
        "seeds": seeds, "days": days, "planted": PLANTED, "reward": asdict(MONEY),
        "regret": {name: [asdict(one) for one in runs] for name, runs in found.items()},
        "coverage": [asdict(row) for row in covered],
        "hidden": [{**asdict(one), "name": one.name} for one in lived],
    }  # fmt: skip
    (out / "routing.json").write_text(json.dumps(kept, indent=1) + "\n")
    draw(found, covered, lived, PLANTED, out / "routing.png")
    console.print(f"kept in {out}/")


def regret_table(found: Mapping[str, Sequence[Regret]]) -> Table:
    """Means over the worlds, with the standard deviation."""
    title = "Money, mean ± standard deviation over worlds; scored from day 60 on"
    table = Table("policy", "earned", "regret", "against the best of 30 days", title=title)
    for name, runs in found.items():
        of = [[one.earned, one.best, one.period] for one in runs]
        table.add_row(name, *(_spread(column) for column in zip(*of, strict=True)))
    return table


def coverage_table(rows: Sequence[Covered]) -> Table:
    """Of each case and way, and why its first refused log was refused."""
    title = "95 % intervals; covered: of the judged; wrong: judged and not covered, of all logs"
    heads = ("judged", "covered", "wrong", "truth", "mean", "width")
    table = Table("log", "way", *heads, title=title)
    for row in rows:
        share = f"{row.covered / row.judged:.1%}" if row.judged else "–"
        wrong = f"{(row.judged - row.covered) / row.logs:.1%}"
        numbers = (f"{value:.3f}" for value in (row.truth, row.mean, row.width))
        table.add_row(row.case, row.way, f"{row.judged}/{row.logs}", share, wrong, *numbers)
        if row.refusal:
            table.add_row(f"[dim]refused: {row.refusal}[/]")
    return table


def hidden_table(lived: Sequence[Lived]) -> Table:
    """By share let through: means over the worlds, for every 30 days."""
    periods = len(lived[0].money) if lived else 0
    heads = [f"days {60 + 30 * i} to {90 + 30 * i}" for i in range(periods)]
    title = "Money (average precision; stopped) while stopping hides the outcome"
    table = Table("let through", "money in all", *heads, title=title)
    for name in dict.fromkeys(one.name for one in lived):
        runs: list[Any] = [one for one in lived if one.name == name]
        money, precision, stopped = (
            np.array([getattr(one, of) for one in runs]).mean(axis=0)
            for of in ("money", "precision", "stopped")
        )
        cells = zip(money, precision, stopped, strict=True)
        total = _spread([sum(one.money) for one in runs])
        table.add_row(name, total, *(f"{m:,.0f} ({p:.2f}; {n:,.0f})" for m, p, n in cells))
    return table


def _spread(values: Sequence[float]) -> str:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return f"{np.mean(values):,.0f} ± {spread:,.0f}"


if __name__ == "__main__":
    typer.run(main)
