"""What changed between two results of the peers beyond noise: in their ratios, nothing else.

Rates themselves wander by a third from run to run of the same code on the same machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison import Change, Comparison, other_machine, welch
from benchmarks.peers import ratios
from benchmarks.peers.run import OURS, Options, Peers
from benchmarks.peers.setup import ECHO

_FEWEST = 2
_ENOUGH = 3

Logs = NDArray[np.float64]


def compare(a: Peers, b: Peers, confidence: float = 0.99) -> Comparison:
    """Judges every ratio that both results have; raises ValueError where there is none."""
    first, second = _ratios(a), _ratios(b)
    known = [metric for metric in first if metric in second]
    if not known:
        raise ValueError("the two results have no server in common beside the endpoint")
    pairs = {metric: (first[metric], second[metric]) for metric in known}
    judged = {m: pair for m, pair in pairs.items() if min(map(len, pair)) >= _FEWEST}
    changes = welch(judged, confidence) if judged else []
    changes += [_unjudged(m, *pair) for m, pair in pairs.items() if m not in judged]
    return Comparison(
        method=f"Welch's t-test on log ratios of turns, Holm, {confidence * 100:g} %",
        unlike=[*_unlike(a.options, b.options), *other_machine(a.machine, b.machine)],
        changes=changes,
        notes=_notes(a, b, pairs),
    )


def _ratios(result: Peers) -> dict[str, Logs]:
    """Logarithms of all ratios by name, without those of which no turn has both sides."""
    found = {f"{OURS.name} ÷ floor, closed loop": ratios.floor_shares(result, OURS.name)}
    for name in result.titles:
        if name not in (OURS.name, ECHO.name):
            found[f"{OURS.name} ÷ {name}, closed loop"] = ratios.times(result, name, ratios.closed)
            found[f"{OURS.name} ÷ {name}, highest"] = ratios.times(result, name, ratios.highest)
    return {metric: np.log(values) for metric, values in found.items() if values}


def _unjudged(metric: str, a: Logs, b: Logs) -> Change:
    first, second = float(np.exp(a.mean())), float(np.exp(b.mean()))
    return Change(
        metric=metric, a=first, b=second, ratio=second / first, low=0.0, high=np.inf, changed=False
    )  # fmt: skip


def _notes(a: Peers, b: Peers, pairs: dict[str, tuple[Logs, Logs]]) -> list[str]:
    notes = [
        f"{name} is missing from the {side} result: {why}"
        for side, result in (("first", a), ("second", b))
        for name, why in result.missing.items()
    ]
    few = [metric for metric, pair in pairs.items() if min(map(len, pair)) < _ENOUGH]
    if few:
        notes.append(f"fewer than {_ENOUGH} turns on a side, little to judge by: {', '.join(few)}")
    return notes


def _unlike(a: Options, b: Options) -> list[str]:
    return [
        f"{name}: {getattr(a, name)} against {getattr(b, name)}"
        for name in Options.__struct_fields__
        if name not in ("seed", "repeats", "peers") and getattr(a, name) != getattr(b, name)
    ]
