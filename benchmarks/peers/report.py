"""The peers in one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.peers import goals, ratios
from benchmarks.peers.run import OURS, Peers, Turn
from benchmarks.peers.setup import ECHO
from benchmarks.rates import shown
from benchmarks.streams import report as streaming
from benchmarks.streams.ratios import FIRST, of_round
from benchmarks.streams.results import Turn as StreamTurn
from benchmarks.turns import spread

BUSY = 0.9
_NAME, _GOAL = 20, 14


def told(result: Peers) -> RenderableType:
    """A row a server or stream; ratios are of turns of the same repeat, with least and most."""
    table = Table(
        title=f"same work, one process each, {result.options.repeats} turns",
        caption="Servers: requests of a closed loop. Streams: records of a log, all checked.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    rates = [f"{rate:g}" for rate in result.options.rates]
    heads = [f"p50 / p99 at {rate}/s, ms" for rate in rates]
    more = ("requests or records/s", "CPU µs", "share of floor", "highest rate", "ours ÷ this")
    table.add_column("", width=_NAME)
    for name in (*heads, *more):
        table.add_column(name, justify="right")
    table.add_column("goal", width=_GOAL)
    wanted = goals.of(result)
    for rows in (_servers(result), _streams(result)):
        for name, cells in rows:
            table.add_row(result.titles[name], *cells, str(wanted.get(name, "")))
        table.add_section()
    return Group(table, *_notes(result))


def line(turn: Turn | StreamTurn) -> str:
    """One line for a turn that is done."""
    if isinstance(turn, StreamTurn):
        return streaming.line(turn)
    none = "" if turn.name == ECHO.name else ", no rate inside the budget"
    highest = f", {shown(turn.highest)}/s inside the budget" if turn.highest else none
    return f"{turn.name:>10}  {shown(turn.closed):>8}/s closed loop{highest}"


def _servers(result: Peers) -> Iterator[tuple[str, list[str]]]:
    for name in result.titles:
        turns = [turn for turn in result.turns if turn.name == name]
        if turns:
            at = [_at(turns, f"{rate:g}") for rate in result.options.rates]
            yield name, [*at, *_rates(result, turns)]


def _streams(result: Peers) -> Iterator[tuple[str, list[str]]]:
    for name in result.titles:
        turns = [turn for turn in result.streams if turn.name == name]
        if turns:
            rate = np.median([turn.rate for turn in turns])
            cpu = np.median([turn.cpu_us for turn in turns])
            times = spread(of_round(result.streams, name)) if name != FIRST["peers"] else ""
            at = [""] * len(result.options.rates)
            yield name, [*at, f"{rate:,.0f}", f"{cpu:.1f}", "", "", times]


def _rates(result: Peers, turns: Sequence[Turn]) -> list[str]:
    name = turns[0].name
    closed = shown(float(np.median([turn.closed for turn in turns])))
    if name == ECHO.name:
        return [closed, "", "1", "", ""]
    found = [turn.highest for turn in turns]
    highest = shown(float(np.median(found))) if any(found) else "none"
    times = ratios.times(result, name, ratios.highest) if name != OURS.name else ()
    return [closed, "", spread(ratios.floor_shares(result, name)), highest, spread(times)]


def _at(turns: Sequence[Turn], rate: str) -> str:
    held = [turn.at[rate] for turn in turns]
    if any(each is None for each in held):
        return "cannot hold it"
    p50, p99 = np.median(np.array(held, np.float64), axis=0)
    return f"{p50:.2g} / {p99:.3g}"


def _notes(result: Peers) -> list[Text]:
    notes = [Text(f"{name}: {why}", style="yellow") for name, why in result.missing.items()]
    if any(turn.generator > BUSY for turn in result.turns if turn.name == ECHO.name):
        notes.append(
            Text(
                "the load generator was the floor's bottleneck: shares of the floor are too high",
                style="bold red",
            )
        )
    missed = [Text(f"missed: {each}", style="bold red") for each in goals.misses(result)]
    return [*notes, *missed]
