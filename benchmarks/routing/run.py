"""What routing earns: regret of every policy, intervals of judged policies, hidden outcomes.

On payments with planted change. The learners' answers are computed once in a world; every policy
then chooses among them, its rewards coming days later, as in the stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.machine import facts
from benchmarks.routing.hidden import SHARES, Lived, live
from benchmarks.routing.logs import CASES, Case, Covered, cover, pool
from benchmarks.routing.pictures import draw
from benchmarks.routing.regret import RUNS, Regret, choices, regret
from benchmarks.routing.worlds import DAYS, MONEY, PLANTED, Arms, arms
from benchmarks.storing import save

QUICK_DAYS = 150
QUICK_LOGS = 50
HIDDEN_SEEDS = 3


class Found(NamedTuple):
    """What routing earned: regret by policy of every world, intervals, and hidden outcomes."""

    seeds: int
    days: int
    regret: dict[str, list[Regret]]
    covered: list[Covered]
    lived: list[Lived]


def regrets(worlds: Sequence[Arms]) -> dict[str, list[Regret]]:
    """By policy, of every world."""
    return {
        run.name: [regret(world, choices(world, run)) for world in worlds]
        for run in track(RUNS, "policies", console=Console(stderr=True))
    }


def coverage(world: Arms, logs: int, cases: Sequence[Case] = CASES) -> list[Covered]:
    """Of every case, by drawn logs."""
    held = pool(world, MONEY.threshold)
    shown = track(cases, "logs", console=Console(stderr=True))
    return [row for case in shown for row in cover(held, case, logs)]


def hidden(seeds: int, days: int) -> list[Lived]:
    """The same worlds with different shares let through."""
    runs = [(seed, share) for seed in range(seeds) for share in SHARES]
    shown = track(runs, "hidden outcomes", console=Console(stderr=True))
    return [live(seed, share, days, PLANTED) for seed, share in shown]


def measure(seeds: int, days: int, logs: int, answers: Path | None) -> Found:
    """All of it, on so many worlds of so many days; learners' answers are kept in `answers`."""
    shown = track(range(seeds), "worlds", console=Console(stderr=True))
    worlds = [arms(seed, days, folder=answers) for seed in shown]
    found, covered = regrets(worlds), coverage(worlds[0], logs)
    return Found(seeds, days, found, covered, hidden(min(seeds, HIDDEN_SEEDS), days))


def intervals(cases: Sequence[Case], logs: int, answers: Path | None) -> Found:
    """These alone, on the first world."""
    return Found(1, DAYS, {}, coverage(arms(0, DAYS, folder=answers), logs, cases), [])


def quick(logs: int, answers: Path | None) -> Found:
    """All of it on one short world."""
    return measure(1, QUICK_DAYS, min(logs, QUICK_LOGS), answers)


def keep(found: Found, folder: Path) -> None:
    """Writes `routing.json`, and `routing.png` where there is regret to be seen."""
    kept = {
        "kind": "routing", "machine": facts(), "seeds": found.seeds, "days": found.days,
        "planted": PLANTED, "reward": asdict(MONEY),
        "regret": {name: [asdict(one) for one in runs] for name, runs in found.regret.items()},
        "coverage": [asdict(row) for row in found.covered],
        "hidden": [{**asdict(one), "name": one.name} for one in found.lived],
    }  # fmt: skip
    save(kept, folder / "routing.json")
    if found.regret:
        draw(found.regret, found.covered, found.lived, PLANTED, folder / "routing.png")


def tables(found: Found) -> list[Table]:
    """What was found, for a person."""
    return [
        *([regret_table(found.regret)] if found.regret else []),
        coverage_table(found.covered),
        *([hidden_table(found.lived)] if found.lived else []),
    ]


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
