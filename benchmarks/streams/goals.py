"""What is promised of flows/features: its pace beside peers, and its memory."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.streams.ratios import of_round
from benchmarks.streams.results import Memory, Streams, Turn
from benchmarks.turns import Goal
from benchmarks.turns import misses as missed

TIMES = {"bytewax": 3.0, "quix": 4.0, "faust": 15.0, "loop-windows": 0.6}
"""How many times as fast flows/features is to be as each of them."""
TILES, ENTITIES = 2.0, 1_000_000
"""The flow is to hold so many times the raw tiles at most, with so many entities."""


def of_peers(turns: Sequence[Turn]) -> dict[str, Goal]:
    """By peer, of turns of the part `peers`."""
    measured = {turn.name for turn in turns}
    return {
        name: Goal(f"features ÷ {name}", least, of_round(turns, name))
        for name, least in TIMES.items()
        if name in measured
    }


def of_memory(held: Memory) -> Goal | None:
    """Of a run that is large enough; bytes hardly wander, so one is enough."""
    if held.entities < ENTITIES:
        return None
    name = f"memory of {held.entities:,} entities ÷ raw tiles"
    return Goal(name, TILES, [held.flow / held.raw], at_most=True, enough=1)


def misses(result: Streams) -> list[str]:
    """Every promise that was broken; empty where all were kept."""
    peers = of_peers([turn for turn in result.turns if turn.part == "peers"])
    memory = (of_memory(held) for held in result.memory)
    return missed([*peers.values(), *(goal for goal in memory if goal)])
