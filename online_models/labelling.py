"""Labelling functions: events that foretell a label before it comes.

After Ratner et al., *Snorkel: Rapid Training Data Creation with Weak Supervision* (2017), with one
weight a function, declared, in place of a learned model of their accuracies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from schemas.declare import Provisional


class Foretold(NamedTuple):
    """A provisional label of the prediction `id`, known at `time` (ms)."""

    id: str
    time: int
    source: str
    label: float
    weight: float


class Labelling:
    """A domain's labelling functions."""

    def __init__(self, declared: Sequence[Provisional]) -> None:
        self._by_event: dict[str, list[Provisional]] = {}
        for function in declared:
            self._by_event.setdefault(function.event, []).append(function)

    def of(self, event: str, record: Mapping[str, Any]) -> Foretold | None:
        """What an event foretells, by the first function that fires; None where none does."""
        for function in self._by_event.get(event, ()):
            id_, value = record[function.id], record[function.value]
            if id_ is None or value is None:
                continue
            if function.at_least <= value <= function.at_most:
                return Foretold(id_, record["time"], function.name, function.label, function.weight)
        return None
