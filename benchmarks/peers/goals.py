"""What is promised beside the peers, and whether it was kept."""

from __future__ import annotations

from benchmarks import turns
from benchmarks.peers import ratios
from benchmarks.peers.run import OURS, Peers
from benchmarks.peers.setup import ECHO
from benchmarks.streams.goals import of_peers
from benchmarks.turns import Goal

TIMES = {"fastapi": 2.5, "mlserver": 8.0, "bentoml": 15.0}
"""The endpoint's highest rate inside the budget is to be so many times that of each of them."""
FLOOR = 0.25
"""The endpoint's share of the floor, closed loop."""


def of(result: Peers) -> dict[str, Goal]:
    """By name of a server or of a streaming peer."""
    measured = {turn.name for turn in result.turns}
    wanted = {
        name: Goal(f"{OURS.name} ÷ {name}", least, ratios.times(result, name, ratios.highest))
        for name, least in TIMES.items()
        if name in measured
    }
    if {OURS.name, ECHO.name} <= measured:
        shares = ratios.floor_shares(result, OURS.name)
        wanted[OURS.name] = Goal(f"{OURS.name} ÷ floor", FLOOR, shares)
    return wanted | of_peers(result.streams)


def misses(result: Peers) -> list[str]:
    """Every promise that was broken; empty where all were kept."""
    return turns.misses(of(result).values())
