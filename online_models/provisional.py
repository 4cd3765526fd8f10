"""Provisional labels: what events say of a label before it comes.

What a domain declares are labelling functions, after Ratner et al., *Snorkel: Rapid Training Data
Creation with Weak Supervision* (2017), with one weight each, declared, in place of a learned model
of their accuracies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from schemas.declare import Provisional


class ProvisionalLabel(NamedTuple):
    """That of the prediction `id`, known at `time` (ms)."""

    id: str
    time: int
    source: str
    label: float
    weight: float


class Labelling:
    """Gives the provisional labels that a domain declares."""

    def __init__(self, declared: Sequence[Provisional]) -> None:
        self._by_event: dict[str, list[Provisional]] = {}
        for one in declared:
            self._by_event.setdefault(one.event, []).append(one)

    def of(self, event: str, record: Mapping[str, Any]) -> ProvisionalLabel | None:
        """The label that an event gives, by the first that fires; None where none does."""
        for one in self._by_event.get(event, ()):
            id_, value = record[one.id], record[one.value]
            if id_ is None or value is None:
                continue
            if one.at_least <= value <= one.at_most:
                return ProvisionalLabel(id_, record["time"], one.name, one.label, one.weight)
        return None
