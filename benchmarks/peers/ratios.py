"""Figures of two servers as ratios of turns of the same repeat: the machine's mood cancels out."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.peers.run import OURS, Peers, Turn
from benchmarks.peers.setup import ECHO

Figure = Callable[[Turn], float]


def closed(turn: Turn) -> float:
    """Answers per second of the closed loop."""
    return turn.closed


def highest(turn: Turn) -> float:
    """The highest rate inside the budget, 0 where none is."""
    return turn.highest


def times(result: Peers, name: str, figure: Figure) -> list[float]:
    """Ours over that server's, of every repeat that has both and where that server's is not 0."""
    return _over(result, OURS.name, name, figure)


def floor_shares(result: Peers, name: str) -> list[float]:
    """That server's closed loop over the floor's, of every repeat that has both."""
    return _over(result, name, ECHO.name, closed)


def _over(result: Peers, above: str, below: str, figure: Figure) -> list[float]:
    by = {(turn.name, turn.repeat): figure(turn) for turn in result.turns}
    pairs = [
        (by.get((above, repeat)), by.get((below, repeat)))
        for repeat in range(result.options.repeats)
    ]
    return [one / other for one, other in pairs if one is not None and other]
