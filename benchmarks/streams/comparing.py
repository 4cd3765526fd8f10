"""What changed from one streams result to another beyond noise.

In ratios of turns of one round, and for the flows in CPU a record: rates themselves wander by a
third from hour to hour on the same machine.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison import Change, Comparison, other_machine, welch
from benchmarks.streams.ratios import FIRST, of_round, who
from benchmarks.streams.results import Options, Streams

_FEWEST = 2
_ENOUGH = 3
_STEADY = 1.05
"""Bytes hardly wander: a twentieth more or less is a change."""
_IGNORED = {"parts", "peers", "rounds", "seed"}

Logs = NDArray[np.float64]


def compare_streams(a: Streams, b: Streams, confidence: float = 0.99) -> Comparison:
    """Judges every figure that both have; raises ValueError where there is none."""
    first, second = _figures(a), _figures(b)
    pairs = {metric: (first[metric], second[metric]) for metric in first if metric in second}
    memory = _memory(a, b)
    if not pairs and not memory:
        raise ValueError("the two results have no measurement in common")
    judged = {m: pair for m, pair in pairs.items() if min(map(len, pair)) >= _FEWEST}
    changes = welch(judged, confidence) if judged else []
    changes += [_unjudged(m, *pair) for m, pair in pairs.items() if m not in judged]
    return Comparison(
        method=f"Welch's t-test over rounds on logarithms, Holm, {confidence * 100:g} %",
        unlike=[*_unlike(a.options, b.options), *other_machine(a.machine, b.machine)],
        changes=[*changes, *memory],
        notes=_notes(a, b, pairs),
    )


def _figures(result: Streams) -> dict[str, Logs]:
    """Logarithms of every figure, one a round."""
    found: dict[str, Logs] = {}
    for part in FIRST:
        turns = [turn for turn in result.turns if turn.part == part]
        names = dict.fromkeys(who(turn) for turn in turns if who(turn) != FIRST[part])
        for name in names:
            found[f"{part}: {FIRST[part]} ÷ {name}"] = np.log(of_round(turns, name))
    for turn in (turn for turn in result.turns if turn.part == "flows"):
        name = f"{turn.name}, {turn.workload}: CPU µs a record"
        found[name] = np.append(found.get(name, np.empty(0)), np.log(turn.cpu_us))
    return {metric: values for metric, values in found.items() if len(values)}


def _unjudged(metric: str, a: Logs, b: Logs) -> Change:
    first, second = float(np.exp(a.mean())), float(np.exp(b.mean()))
    return Change(
        metric=metric, a=first, b=second, ratio=second / first, low=0.0, high=np.inf, changed=False
    )


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


def _notes(a: Streams, b: Streams, pairs: Mapping[str, tuple[Logs, Logs]]) -> list[str]:
    notes = [
        f"{name} is missing from the {side} result: {why}"
        for side, result in (("first", a), ("second", b))
        for name, why in result.missing.items()
    ]
    few = [metric for metric, pair in pairs.items() if min(map(len, pair)) < _ENOUGH]
    if few:
        notes.append(f"fewer than {_ENOUGH} rounds on a side, little to judge by: {'; '.join(few)}")
    return notes


def _unlike(a: Options, b: Options) -> list[str]:
    return [
        f"{name}: {getattr(a, name)} against {getattr(b, name)}"
        for name in Options.__struct_fields__
        if name not in _IGNORED and getattr(a, name) != getattr(b, name)
    ]
