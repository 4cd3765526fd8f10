"""How every arm does on all traffic: its scores in the log, by event-time window and slice."""

from __future__ import annotations

from collections.abc import Mapping

from infra import inspection
from infra.settings import Settings
from online_models.tallies import Line, lines
from schemas import nearest
from schemas.declare import Domain


class NoSuchSlice(LookupError):
    """The domain has no slice of that name."""


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
        slices = {each["id"]: f"{by}={each['slices'].get(by, '')}" for each in examples}
    return lines(inspection.read(settings, domain, "scores"), window, slices)
