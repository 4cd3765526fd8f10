"""What changed between two results of the peers beyond noise: in their ratios, nothing else.

Rates themselves wander by a third from run to run of the same code on the same machine.
"""

from __future__ import annotations

import numpy as np

from benchmarks.comparison import (
    Comparison,
    Logs,
    missing,
    of_turns,
    unlike,
)
from benchmarks.peers import ratios
from benchmarks.peers.run import OURS, Peers
from benchmarks.peers.setup import ECHO
from benchmarks.streams.comparing import figures


def compare(a: Peers, b: Peers, confidence: float = 0.99) -> Comparison:
    """Judges every ratio that both results have; raises ValueError where there is none."""
    first, second = _ratios(a), _ratios(b)
    known = [metric for metric in first if metric in second]
    if not known:
        raise ValueError("the two results have no peer in common")
    changes, notes = of_turns({m: (first[m], second[m]) for m in known}, confidence)
    return Comparison(
        method=f"Welch's t-test on log ratios of turns, Holm, {confidence * 100:g} %",
        unlike=unlike(a, b, ("seed", "repeats", "peers")),
        changes=changes,
        notes=[*missing(a.missing, b.missing), *notes],
    )


def _ratios(result: Peers) -> dict[str, Logs]:
    """Logarithms of all ratios by name, without those of which no turn has both sides."""
    found = {f"{OURS.name} ÷ floor, closed loop": ratios.floor_shares(result, OURS.name)}
    for name in result.titles:
        if name not in (OURS.name, ECHO.name):
            found[f"{OURS.name} ÷ {name}, closed loop"] = ratios.times(result, name, ratios.closed)
            found[f"{OURS.name} ÷ {name}, highest"] = ratios.times(result, name, ratios.highest)
    logs = {name: np.log([v for v in values if v]) for name, values in found.items() if any(values)}
    return logs | figures(result.streams)
