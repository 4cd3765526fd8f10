"""The streams benchmark in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.streams import goals
from benchmarks.streams.ratios import FIRST, of_round, who
from benchmarks.streams.results import Memory, Streams, Turn
from benchmarks.turns import spread

_TITLES = {
    "peers": "same work, visits, one worker",
    "flows": "each flow, broker to sink, one worker",
    "scaling": "flows/features by workers, visits on four partitions",
}
_RATIOS = {"peers": ("features ÷ this", "by CPU"), "scaling": ("times one", "times its CPU")}


def line(turn: Turn | Memory) -> str:
    """One line for what is done."""
    if isinstance(turn, Memory):
        times = turn.flow / turn.raw
        return f"{turn.entities:>12,} entities: the flow holds {times:.2f} × the raw tiles"
    who = f"{turn.name} ({turn.workload}, {turn.workers})"
    return f"{who:<34} {turn.rate:>11,.0f} records/s {turn.cpu_us:>9.1f} µs CPU a record"


def told(result: Streams) -> RenderableType:
    """All parts; everything in it was checked."""
    parts: list[RenderableType] = []
    for part, turns in groupby(result.turns, key=lambda turn: turn.part):
        parts.append(_table(result, part, list(turns)))
    if result.memory:
        parts.append(_memory(result.memory))
    parts += [Text(f"{name}: {why}", style="yellow") for name, why in result.missing.items()]
    parts += [Text(f"missed: {each}", style="bold red") for each in goals.misses(result)]
    return Group(*parts, Text("the final state of every run was checked", style="green"))


def _table(result: Streams, part: str, turns: Sequence[Turn]) -> Table:
    table = Table(title=f"{_TITLES[part]}, {result.options.rounds} turns")
    ratio = _RATIOS.get(part, ())
    wanted = goals.of_peers(turns) if part == "peers" else {}
    table.add_column("", min_width=14)
    for name in ("records", "records/s", "CPU µs"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in (*ratio, *["goal"] * bool(wanted)):
        table.add_column(name, justify="right", overflow="fold")
    for name in dict.fromkeys(who(turn) for turn in turns):
        mine = [turn for turn in turns if who(turn) == name]
        title = result.titles.get(name, name) if part == "peers" else name
        rate = np.median([turn.rate for turn in mine])
        cpu = np.median([turn.cpu_us for turn in mine])
        times: list[str] = []
        if part in FIRST and name != FIRST[part]:
            times = [spread(each) for each in _beside_first(turns, part, name)]
            times += [str(wanted[name])] if name in wanted else []
        table.add_row(title, f"{mine[0].records:,}", f"{rate:,.0f}", f"{cpu:.1f}", *times)
    return table


def _beside_first(turns: Sequence[Turn], part: str, name: str) -> tuple[list[float], list[float]]:
    """By speed and by CPU: the first beside a peer, more workers beside the first."""
    by_speed, by_cpu = of_round(turns, name), of_round(turns, name, by_cpu=True)
    return [1 / each for each in by_speed] if part == "scaling" else by_speed, by_cpu


def _memory(held: Sequence[Memory]) -> Table:
    table = Table(title="memory of flows/features, visits, by entities")
    for name in (
        "entities",
        "raw tiles, B",
        "flow, B",
        "÷ raw",
        "at most ÷ raw",
        "Redis ÷ raw",
        "goal",
    ):
        table.add_column(name, justify="right")
    for each in held:
        table.add_row(
            f"{each.entities:,}",
            f"{each.raw / each.entities:,.0f}",
            f"{each.flow / each.entities:,.0f}",
            *(f"{held / each.raw:.2f}" for held in (each.flow, each.peak, each.redis)),
            str(goals.of_memory(each) or ""),
        )
    return table
