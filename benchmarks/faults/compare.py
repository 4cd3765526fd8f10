"""What changed between two results of chaos beyond noise."""

from __future__ import annotations

from benchmarks.comparison import Comparison, Estimate, ratio, unlike
from benchmarks.faults.run import Chaos, Phase
from benchmarks.latency.confidence import share


def compare(a: Chaos, b: Chaos, confidence: float = 0.99) -> Comparison:
    """Shares not answered right in time, phase by phase, and of answers without their record.

    Of a phase with a goal for accepted requests only these, where there are any. Raises ValueError
    where the two have not the same phases.
    """
    if len(a.phases) != len(b.phases):
        raise ValueError(f"{len(a.phases)} phases against {len(b.phases)}; expected the same")
    level = 1 - (1 - confidence) / (len(a.phases) + 1)  # Bonferroni: all are judged together
    pairs = enumerate(zip(a.phases, b.phases, strict=True), 1)
    lost = (_estimate(each.lost, each.answered, level) for each in (a, b))
    return Comparison(
        method=f"exact intervals of shares, {confidence * 100:g} %",
        unlike=[*unlike(a, b, ("seed",)), *_overloads(a, b)],
        changes=[
            *(ratio(_name(n, *pair), *(_late(each, level) for each in pair)) for n, pair in pairs),
            ratio("answers without their record", *lost),
        ],
        notes=[
            "one run on a side: bursts of late answers and the noise between runs are not in the"
            " intervals; run both again before you believe a change"
        ],
    )


def _overloads(a: Chaos, b: Chaos) -> list[str]:
    if a.highest is None or b.highest is None or a.highest.origin == b.highest.origin:
        return []
    return [f"overload: three times {a.highest} against {b.highest}"]


def _name(number: int, a: Phase, b: Phase) -> str:
    name = a.name if a.name == b.name else f"{a.name} and {b.name}"
    return f"{number}. {name}: share not in time"


def _late(phase: Phase, level: float) -> Estimate:
    of, inside = phase.count, phase.inside
    accepted = phase.ok + phase.degraded
    if phase.goal.accepted is not None and accepted:
        of, inside = accepted, phase.accepted_inside
    return _estimate(of - round(inside * of), of, level)


def _estimate(count: int, of: int, level: float) -> Estimate:
    found = share(count, of, level)
    return Estimate(found.value, found.low, found.high)
