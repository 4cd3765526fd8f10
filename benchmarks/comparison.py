"""What changed between two results, whatever they measured, and how it is judged."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.machine import Machine

_FEWEST = 2
_ENOUGH = 3

Logs = NDArray[np.float64]
"""Logarithms of a figure, one for every turn."""


class Estimate(NamedTuple):
    """A figure with its interval; what is infinite is over any bound."""

    value: float
    low: float
    high: float


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both results; `ratio` is b over a with its interval. Latencies in ms.

    A figure is infinite where there was no right answer, a ratio or an end of its interval NaN
    where there is none.
    """

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


def ratio(metric: str, a: Estimate, b: Estimate) -> Change:
    """The change of a positive figure by the intervals of both, which are independent.

    The interval of the difference of the logarithms is that of Zou and Donner (2008, MOVER).
    Where an end is 0 or infinite it goes from end to end, which is wider.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        (at_a, low_a, high_a), (at_b, low_b, high_b) = np.log(a), np.log(b)
        down, up = np.hypot(at_b - low_b, high_a - at_a), np.hypot(high_b - at_b, at_a - low_a)
        low = at_b - at_a - down if np.isfinite(at_b - at_a - down) else low_b - high_a
        high = at_b - at_a + up if np.isfinite(at_b - at_a + up) else high_b - low_a
        times, *ends = np.exp([at_b - at_a, low, high])
    least, most = (float(end) if 0 < end < np.inf else np.nan for end in ends)
    return Change(
        metric=metric,
        a=float(a.value),
        b=float(b.value),
        ratio=float(times) if 0 < times < np.inf else np.nan,
        low=least,
        high=most,
        changed=bool(low > 0 or high < 0),
    )


def welch(
    logs: Mapping[str, tuple[Logs, Logs]],
    confidence: float,
    least: Mapping[str, float] | None = None,
) -> list[Change]:
    """Changes of figures whose logarithms were measured several times on either side.

    By Welch's t-test, all figures together at the confidence (Holm 1979); a p-value counts as at
    least that of the same name in `least`.
    """
    tests = [_welch(a, b) for a, b in logs.values()]
    values = [
        max(1.0 if np.isnan(test.pvalue) else float(test.pvalue), (least or {}).get(name, 0.0))
        for name, test in zip(logs, tests, strict=True)  # NaN where all are the same
    ]
    significant = _holm(values, 1 - confidence)
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


def _welch(a: Logs, b: Logs) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of precision lost where nothing varies
        return stats.ttest_ind(b, a, equal_var=False)


def _holm(values: Sequence[float], error: float) -> list[bool]:
    """Which p-values are significant together (Holm's step-down)."""
    order = np.argsort(values)
    told = [False] * len(values)
    for position, index in enumerate(order):
        if not values[index] <= error / (len(values) - position):
            break
        told[index] = True
    return told


def of_turns(
    pairs: Mapping[str, tuple[Logs, Logs]], confidence: float
) -> tuple[list[Change], list[str]]:
    """Changes of figures that took some turns on either side, and notes on those that took few.

    By `welch` where there were at least two on both; else told, and not judged.
    """
    judged = {name: pair for name, pair in pairs.items() if min(map(len, pair)) >= _FEWEST}
    changes = welch(judged, confidence) if judged else []
    changes += [unjudged(name, *pair) for name, pair in pairs.items() if name not in judged]
    few = [name for name, pair in pairs.items() if min(map(len, pair)) < _ENOUGH]
    told = f"fewer than {_ENOUGH} turns on a side, little to judge by: {'; '.join(few)}"
    return changes, [told] if few else []


def unjudged(metric: str, a: Logs, b: Logs) -> Change:
    """A figure of which too little is known to judge it."""
    first, second = Estimate(np.exp(a.mean()), 0, np.inf), Estimate(np.exp(b.mean()), 0, np.inf)
    return ratio(metric, first, second)


def missing(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    """Notes on what could not be measured for one of two results, by name with the reason."""
    return [
        f"{name} is missing from the {side} result: {why}"
        for side, those in (("first", a), ("second", b))
        for name, why in those.items()
    ]


class Measured(Protocol):
    """A result: what was asked for, and on what machine it was found."""

    @property
    def options(self) -> msgspec.Struct: ...  # noqa: D102
    @property
    def machine(self) -> Machine: ...  # noqa: D102


def unlike(a: Measured, b: Measured, ignored: Collection[str]) -> list[str]:
    """What makes two results not the same measurement: options that are not ignored, machines."""
    return [
        *(
            f"{name}: {getattr(a.options, name)} against {getattr(b.options, name)}"
            for name in a.options.__struct_fields__
            if name not in ignored and getattr(a.options, name) != getattr(b.options, name)
        ),
        *_other_machine(a.machine, b.machine),
    ]


def _other_machine(a: Machine, b: Machine) -> list[str]:
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
