"""How often the intervals of SNIPS and doubly robust hold the true value, on drawn logs.

A log is drawn from a world: payments by units (a customer's day), an arm for each unit by the
logging policy's probabilities, and of what that arm stops only the share that is let through. The
true value is what the judged policy earns on all payments of the world, every outcome known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.routing.worlds import F8, I8, NAMES, Arms
from online_models.routes.intervals import Unsupported
from online_models.routes.offpolicy import Estimate, Log, doubly_robust, snips
from schemas.declare import DAY

WAYS: Mapping[str, Callable[[Log, F8], Estimate]] = {"SNIPS": snips, "doubly robust": doubly_robust}

SPLIT = dict.fromkeys(NAMES, 1 / len(NAMES))
LEANING = {name: 0.7 if name == "logistic" else 0.1 for name in NAMES}
TRIAL = {"tree": 0.99, "logistic-static": 0.01}
ONE = {"logistic-static": 1.0}


@dataclass(frozen=True)
class Case:
    """Logs of so many units by `logging`, judging `target`; of what is stopped a share is seen.

    Where `whole`, so many customers are drawn instead, each with all their days.
    """

    name: str
    units: int
    logging: Mapping[str, float]
    target: Mapping[str, float]
    let_through: float = 1.0
    whole: bool = False


CASES = (
    Case("A/B of all arms, 2,500 units", 2_500, SPLIT, ONE),
    Case("A/B of all arms, 10,000 units", 10_000, SPLIT, ONE),
    Case("A/B of all arms, 40,000 units", 40_000, SPLIT, ONE),
    Case("A/B of all arms, 160,000 units", 160_000, SPLIT, ONE),
    Case("A/B of all arms, 600 customers with all their days", 600, SPLIT, ONE, whole=True),
    Case(
        "leaning to one arm, 40,000 units", 40_000, LEANING, {"tree": 0.5, "logistic-static": 0.5}
    ),
    Case("A/B, a tenth of the stopped seen, 40,000 units", 40_000, SPLIT, ONE, 0.1),
    Case("A/B, a tenth of the stopped seen, 160,000 units", 160_000, SPLIT, ONE, 0.1),
    Case("A/B, nothing stopped is seen, 40,000 units", 40_000, SPLIT, ONE, 0.0),
    Case("canary of 1 %, 2,500 units", 2_500, TRIAL, ONE),
    Case("fixed, 10,000 units", 10_000, {"tree": 1.0}, ONE),
)
"""The last three cannot support what is asked of them."""


@dataclass(frozen=True)
class Pool:
    """A world's scored payments, ordered by unit; unit u's are those from starts[u] to ends[u].

    `reward` [n, arms], and `other` had the label been the other one. `owners` are the first unit of
    every customer, and the end.
    """

    reward: F8
    other: F8
    stopped: NDArray[np.bool_]
    slices: I8
    starts: I8
    ends: I8
    owners: I8


def pool(world: Arms, threshold: float) -> Pool:
    """Of the scored payments."""
    kept = np.flatnonzero(world.scored)
    who = np.array([world.requests[i]["customer"] for i in kept.tolist()])
    unit = np.unique(who, return_inverse=True)[1] * 10_000 + world.asked.at[kept] // DAY % 10_000
    order = np.argsort(unit, kind="stable")
    edges = np.flatnonzero(np.diff(unit[order], prepend=-1, append=-1))
    kinds = np.array([world.requests[i]["kind"] for i in kept[order].tolist()])
    return Pool(
        world.reward[kept[order]],
        world.other[kept[order]],
        world.answers[kept[order]] >= threshold,
        np.unique(kinds, return_inverse=True)[1],
        edges[:-1],
        edges[1:],
        np.flatnonzero(np.diff(unit[order][edges[:-1]] // 10_000, prepend=-1, append=-1)),
    )


def truth(held: Pool, target: Mapping[str, float]) -> float:
    """The mean reward of a policy with these shares."""
    return float((held.reward @ _shares(target)).mean())


def drawn(held: Pool, case: Case, seed: int) -> tuple[Log, F8]:
    """A log, and the judged policy's probabilities on it."""
    rng = np.random.default_rng(seed)
    picked = _picked(held, case, rng)
    sizes = held.ends[picked] - held.starts[picked]
    unit = np.repeat(np.arange(len(picked)), sizes)
    firsts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    row = held.starts[picked][unit] + np.arange(len(unit)) - firsts
    logging = _shares(case.logging)
    arm = rng.choice(len(NAMES), len(picked), p=logging)[unit]
    stopped = held.stopped[row, arm]
    seen = ~stopped | (rng.random(len(row)) < case.let_through)
    row, arm, unit, stopped = row[seen], arm[seen], unit[seen], stopped[seen]
    weight = np.where(stopped, 1 / max(case.let_through, 1e-12), 1.0)
    units = np.cumsum(np.diff(unit, prepend=-1) > 0) - 1
    reward, other = held.reward[row, arm], held.other[row, arm]
    log = Log(NAMES, arm, logging[arm], reward, held.slices[row], units, weight, other)
    return log, np.tile(_shares(case.target), (len(row), 1))


def _picked(held: Pool, case: Case, rng: np.random.Generator) -> I8:
    """Units, each drawn by itself or with all others of its customer."""
    if not case.whole:
        return rng.integers(0, len(held.starts), case.units)
    customers = rng.integers(0, len(held.owners) - 1, case.units)
    units = [np.arange(*held.owners[one : one + 2]) for one in customers.tolist()]
    return np.concatenate(units)


@dataclass(frozen=True)
class Covered:
    """Of `logs` logs so many were judged, and `covered` intervals hold the truth."""

    case: str
    way: str
    logs: int
    judged: int
    covered: int
    truth: float
    mean: float
    width: float
    refusal: str = ""


def cover(held: Pool, case: Case, logs: int) -> list[Covered]:
    """One row for each way to estimate; refusals are counted and the first one is kept."""
    estimates: dict[str, list[Estimate]] = {way: [] for way in WAYS}
    refusals: dict[str, str] = {}
    for seed in range(logs):
        log, target = drawn(held, case, seed)
        for way, estimate in WAYS.items():
            try:
                estimates[way].append(estimate(log, target))
            except Unsupported as refused:
                refusals.setdefault(way, str(refused))
    true, rows = truth(held, case.target), []
    for way, found in estimates.items():
        held_true = sum(one.low <= true <= one.high for one in found)
        mean = float(np.mean([one.value for one in found])) if found else float("nan")
        width = float(np.mean([one.high - one.low for one in found])) if found else float("nan")
        row = Covered(case.name, way, logs, len(found), held_true, true, mean, width)
        rows.append(replace(row, refusal=refusals.get(way, "")))
    return rows


def _shares(of: Mapping[str, float]) -> F8:
    return np.array([of.get(name, 0.0) for name in NAMES])
