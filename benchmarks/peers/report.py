"""The peers in one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.peers import ratios
from benchmarks.peers.run import Peers, Turn
from benchmarks.peers.setup import ECHO

BUSY = 0.9


def told(result: Peers) -> RenderableType:
    """A row a server; ratios are of turns of the same repeat, with least and most."""
    table = Table(title=f"same work, one process each, {result.options.repeats} turns")
    rates = [f"{rate:g}" for rate in result.options.rates]
    heads = [f"p50 / p99 at {rate}/s, ms" for rate in rates]
    more = ("closed loop, req/s", "share of floor", "highest rate", "ours ÷ this")
    for name in ("server", *heads, *more):
        table.add_column(name, justify="left" if name == "server" else "right")
    for name, title in result.titles.items():
        turns = [turn for turn in result.turns if turn.name == name]
        if turns:
            table.add_row(title, *(_at(turns, rate) for rate in rates), *_rates(result, turns))
    notes = [Text(f"{name}: {why}", style="yellow") for name, why in result.missing.items()]
    if any(turn.generator > BUSY for turn in result.turns if turn.name == ECHO.name):
        notes.append(
            Text(
                "the load generator was the floor's bottleneck: shares of the floor are too high",
                style="bold red",
            )
        )
    return Group(table, *notes)


def turn_line(turn: Turn) -> str:
    """One line for a turn that is done."""
    none = "" if turn.name == ECHO.name else ", no rate inside the budget"
    highest = f", {turn.highest:,.0f}/s inside the budget" if turn.highest else none
    return f"{turn.name:>10}  {turn.closed:8,.0f}/s closed loop{highest}"


def _rates(result: Peers, turns: Sequence[Turn]) -> list[str]:
    name = turns[0].name
    closed = f"{np.median([turn.closed for turn in turns]):,.0f}"
    if name == ECHO.name:
        return [closed, "1", "", ""]
    found = [turn.highest for turn in turns]
    highest = f"{np.median(found):,.0f}" if any(found) else "none"
    times = ratios.times(result, name, ratios.highest)
    return [closed, _spread(ratios.floor_shares(result, name)), highest, _spread(times)]


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{np.median(values):.2f} ({min(values):.2f} – {max(values):.2f})"


def _at(turns: Sequence[Turn], rate: str) -> str:
    held = [turn.at[rate] for turn in turns]
    if any(each is None for each in held):
        return "cannot hold it"
    p50, p99 = np.median(np.array(held, np.float64), axis=0)
    return f"{p50:.2g} / {p99:.3g}"
