"""What changed between two results, whatever they measured, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.machine import Machine

Logs = NDArray[np.float64]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both results; `ratio` is b over a with its interval. Latencies in ms."""

    metric: str
    a: float
    b: float
    ratio: float
    low: float
    high: float
    changed: bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`unlike` lists what makes the two not the same measurement; `method` is how it was judged."""

    method: str
    unlike: list[str]
    changes: list[Change]
    notes: list[str]


def welch(logs: Mapping[str, tuple[Logs, Logs]], confidence: float) -> list[Change]:
    """Changes of figures whose logarithms were measured several times on either side.

    By Welch's t-test, all figures together at the confidence (Holm 1979).
    """
    tests = [stats.ttest_ind(b, a, equal_var=False) for a, b in logs.values()]
    significant = _holm([float(test.pvalue) for test in tests], 1 - confidence)
    changes = []
    for (metric, (a, b)), test, changed in zip(logs.items(), tests, significant, strict=True):
        interval = test.confidence_interval(confidence)
        changes.append(
            Change(
                metric=metric,
                a=float(np.exp(a.mean())),
                b=float(np.exp(b.mean())),
                ratio=float(np.exp(b.mean() - a.mean())),
                low=float(np.exp(interval.low)),
                high=float(np.exp(interval.high)),
                changed=changed,
            )
        )
    return changes


def _holm(values: Sequence[float], error: float) -> list[bool]:
    """Which p-values are significant together (Holm's step-down)."""
    order = np.argsort(values)
    told = [False] * len(values)
    for position, index in enumerate(order):
        if not values[index] <= error / (len(values) - position):
            break
        told[index] = True
    return told


def other_machine(a: Machine, b: Machine) -> list[str]:
    """What differs between the machines and packages of two results."""
    told = []
    for name in ("cpu", "cores", "system", "python"):
        one, other = getattr(a, name), getattr(b, name)
        if one != other:
            told.append(f"machine's {name}: {one} against {other}")
    for package, version in a.packages.items():
        other = b.packages.get(package)
        if version != other:
            told.append(f"{package}: {version} against {other}")
    return told
