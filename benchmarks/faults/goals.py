"""What is promised while something is broken, phase by phase, and whether it was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from scipy import stats

if TYPE_CHECKING:
    from benchmarks.faults.run import Chaos, Phase

_SURE = 0.99


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """Shares answered right inside the budget: of all requests, and of those not shed.

    `answered` where every request is to get a right answer or a shed, no error.
    """

    inside: float | None = None
    accepted: float | None = None
    answered: bool = True


USUAL = Goal(inside=0.999)
"""All well, Redis broken or mended, the broker gone: the rate is one that can be answered."""

AFTER_BROKER = Goal(inside=0.98)
"""What waited a minute is written and read at once: 33 of 2,061 were shed meanwhile."""

OVERLOAD = Goal(accepted=0.99, answered=False)
"""Three times what can be answered: most is refused, and what is accepted is to be in time."""


def misses(result: Chaos) -> list[str]:
    """Every promise that was broken; empty where all were kept."""
    lost = f"{result.lost:,} of {result.answered:,} answers have no prediction record in the log"
    return [
        *(each for phase in result.phases for each in missed(phase)),
        *[lost] * bool(result.lost),
    ]


def missed(phase: Phase) -> list[str]:
    """What a phase broke of its goal, by name, found and expected.

    A share counts as missed where a server that keeps it exactly would look so bad at most once in
    a hundred times (binomial): few requests say little.
    """
    goal, right = phase.goal, phase.ok + phase.degraded
    found = []
    if phase.wrong:
        found.append(f"{phase.wrong:,} wrong answers")
    if phase.failed and goal.answered:
        found.append(f"{phase.failed:,} requests failed, none was to")
    if not right:
        found.append(f"no right answer to {phase.count:,} requests")
    for what, share, wanted, of in (
        ("", phase.inside, goal.inside, phase.count),
        ("accepted ", phase.accepted_inside, goal.accepted, right),
    ):
        if wanted is not None and of and _below(share, wanted, of):
            found.append(f"{share:.2%} of {of:,} {what}requests in time, goal {wanted:.1%}")
    return [f"{phase.name}: {each}" for each in found]


def _below(share: float, wanted: float, of: int) -> bool:
    over = of - round(share * of)
    return bool(stats.binom.sf(over - 1, of, 1 - wanted) <= 1 - _SURE)
