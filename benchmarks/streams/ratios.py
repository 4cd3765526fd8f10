"""Turns of one round beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.streams.results import Turn

FIRST = {"peers": "features", "scaling": "1"}
"""What all others of a part are held against."""


def who(turn: Turn) -> str:
    """What tells a turn from the others of its part and round."""
    if turn.part == "scaling":
        return turn.workers
    return turn.name if turn.part == "peers" else f"{turn.name}, {turn.workload}"


def of_round(turns: Sequence[Turn], name: str, by_cpu: bool = False) -> list[float]:
    """By round, of a part's turns: how many times as fast the first is as that one.

    `by_cpu`: how many times as much CPU that one takes for a record.
    """
    first = {turn.round: turn for turn in turns if who(turn) == FIRST[turn.part]}
    pairs = [(first[t.round], t) for t in turns if who(t) == name and t.round in first]
    if by_cpu:
        return [turn.cpu_us / mine.cpu_us for mine, turn in pairs]
    return [mine.rate / turn.rate for mine, turn in pairs]
