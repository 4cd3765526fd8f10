"""How every arm does on all traffic: its scores in the log, by event-time window and slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from infra import inspection
from infra.settings import Settings
from online_models.evaluation import Measures, weight_of
from online_models.tallies import Tally
from schemas import nearest
from schemas.declare import Domain

ALL = ""
"""Stands for no slice."""


class NoSuchSlice(LookupError):
    """The domain has no slice of that name."""


class Line(NamedTuple):
    """One arm in one window (its start in ms) and slice (`slice=value`, or ALL)."""

    arm: str
    window: int
    slice: str
    measures: Measures


def evaluate(settings: Settings, domain: Domain, window: int, by: str | None) -> list[Line]:
    """Prequential measures of each arm, served or not, by when the labels came.

    Windows start at multiples of `window` ms. `by` is one of the domain's slices. Raises
    NoSuchSlice naming the slices there are.
    """
    if by is not None and by not in domain.slices:
        known = ", ".join(domain.slices) or "none"
        near = nearest.hint(by, domain.slices)
        raise NoSuchSlice(f"no slice {by!r}; {domain.name} has {known}{near}")
    slices: Mapping[str, str] = {}
    if by is not None:
        examples = inspection.read(settings, domain, "examples")
        slices = {each["id"]: f"{by}={each['slices'][by]}" for each in examples}
    return lines(inspection.read(settings, domain, "scores"), window, slices)


def lines(
    scores: Iterable[Mapping[str, Any]], window: int, slices: Mapping[str, str]
) -> list[Line]:
    """The same from records of `score.avsc`; `slices` gives the slice of an example's id.

    A copy of a score, which a crash may leave in the log, counts once.
    """
    tallies: dict[tuple[str, int, str], Tally] = {}
    seen: set[tuple[str, int]] = set()
    for score in scores:
        if (score["learner"], score["version"]) in seen:
            continue
        seen.add((score["learner"], score["version"]))
        start = score["time"] // window * window
        key = (score["learner"], start, slices.get(score["id"], ALL))
        tally = tallies.setdefault(key, Tally())
        tally.update(score["label"], score["probability"], weight_of(score))
    return [Line(*key, tallies[key].measures()) for key in sorted(tallies)]
