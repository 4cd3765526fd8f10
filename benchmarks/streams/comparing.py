"""What changed from one streams result to another beyond noise.

In ratios of turns of one round, and for the flows in CPU a record: rates themselves wander by a
third from hour to hour on the same machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.comparison import (
    Change,
    Comparison,
    Logs,
    missing,
    of_turns,
    unlike,
)
from benchmarks.streams.ratios import FIRST, of_round, who
from benchmarks.streams.results import Streams, Turn

_STEADY = 1.05
"""Bytes hardly wander: a twentieth more or less is a change."""
_IGNORED = {"parts", "peers", "rounds", "seed"}


def compare_streams(a: Streams, b: Streams, confidence: float = 0.99) -> Comparison:
    """Judges every figure that both have; raises ValueError where there is none."""
    first, second = figures(a.turns), figures(b.turns)
    pairs = {metric: (first[metric], second[metric]) for metric in first if metric in second}
    memory = _memory(a, b)
    if not pairs and not memory:
        raise ValueError("the two results have no measurement in common")
    changes, notes = of_turns(pairs, confidence)
    return Comparison(
        method=f"Welch's t-test over rounds on logarithms, Holm, {confidence * 100:g} %",
        unlike=unlike(a, b, _IGNORED),
        changes=[*changes, *memory],
        notes=[*missing(a.missing, b.missing), *notes],
    )


def figures(all_turns: Sequence[Turn]) -> dict[str, Logs]:
    """Logarithms of every figure, one a round."""
    found: dict[str, Logs] = {}
    for part in FIRST:
        turns = [turn for turn in all_turns if turn.part == part]
        names = dict.fromkeys(who(turn) for turn in turns if who(turn) != FIRST[part])
        for name in names:
            found[f"{part}: {FIRST[part]} ÷ {name}"] = np.log(of_round(turns, name))
    for turn in (turn for turn in all_turns if turn.part == "flows"):
        name = f"{turn.name}, {turn.workload}: CPU µs a record"
        found[name] = np.append(found.get(name, np.empty(0)), np.log(turn.cpu_us))
    return {metric: values for metric, values in found.items() if len(values)}


def _memory(a: Streams, b: Streams) -> list[Change]:
    held = {each.entities: each.flow / each.raw for each in a.memory}
    changes = []
    for each in b.memory:
        if each.entities in held:
            before, after = held[each.entities], each.flow / each.raw
            ratio = after / before
            changes.append(
                Change(
                    metric=f"memory of {each.entities:,} entities ÷ raw tiles",
                    a=before,
                    b=after,
                    ratio=ratio,
                    low=ratio / _STEADY,
                    high=ratio * _STEADY,
                    changed=not 1 / _STEADY <= ratio <= _STEADY,
                )
            )
    return changes
