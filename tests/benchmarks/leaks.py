"""Finds vectors that know what could not be known when they were asked for.

Two laws, each with a checker. `leaks`: a vector holds what plain Python makes of the events that
could truly be known at the asked time, and no event of the very thing asked about was among them.
`foreseen`: whatever becomes of the events after the asked time, the vector is the same.
Both work on the bare loop of `benchmarks.learning.asked`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.learning.asked import Asked
from benchmarks.proofs.reference import features_of
from schemas.dataset import Stamped
from schemas.declare import Domain, Entity

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """An event as it truly was; `since` (ms) is when it could first be known.

    `partition` and `offset` are its place in the log, where vectors come with positions.
    """

    name: str
    record: Record
    since: int
    partition: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A request that was asked at `at` (ms), and the vector that it was answered from.

    `positions`, as in prediction.avsc, say for each entity which events its state had; None where
    the state had every event up to `at`.
    """

    id: str
    at: int
    request: Record
    vector: Sequence[float]
    positions: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True, slots=True)
class Leak:
    """A feature that differs from what could honestly be known, or an event that gave it away."""

    id: str
    at: int
    what: str
    served: float
    honest: float

    def __str__(self) -> str:
        return f"{self.id} at {self.at}: {self.what} was {self.served}, honestly {self.honest}"


def leaks(
    domain: Domain,
    events: Iterable[Known],
    questions: Iterable[Question],
    about: str | None = None,
) -> Iterator[Leak]:
    """Every feature of every question that could not be what it is, value by value.

    `about` names the field in which events carry the id of the question they are about: an event
    about a question that was known when it was asked is a leak too, its `what` the event's name,
    `served` its time and `honest` NaN. Events older than twice the largest window are not read.
    """
    events = list(events)
    honest = [_History(entity, events) for entity in domain.entities]
    outcomes: dict[Any, list[Known]] = defaultdict(list)
    for event in events:
        if about is not None and about in event.record:
            outcomes[event.record[about]].append(event)
    for question in questions:
        for outcome in outcomes[question.id]:
            if outcome.since <= question.at:
                time = float(outcome.since)
                yield Leak(question.id, question.at, outcome.name, time, float("nan"))
        yield from _differences(domain, honest, question)


def _differences(
    domain: Domain, histories: Sequence[_History], question: Question
) -> Iterator[Leak]:
    wanted: list[float] = []
    for place, history in enumerate(histories):
        known = None if question.positions is None else question.positions[place]
        wanted += history.features(question, known)
    first = len(domain.columns)
    served = question.vector[first : first + len(wanted)]
    for name, one, other in zip(domain.feature_names, served, wanted, strict=True):
        if one != other and not (one != one and other != other):
            yield Leak(question.id, question.at, name, float(one), other)


class _History:
    """The events of one kind of entity, by key and by when they were known."""

    def __init__(self, entity: Entity, events: Iterable[Known]) -> None:
        self._entity = entity
        leaves = [leaf for feature in entity.features for leaf in (feature, *feature.parts)]
        used = {name for leaf in leaves for name in (leaf.event, leaf.minus) if name}
        self._horizon = 2 * max(leaf.over for leaf in leaves)
        self._by_key: dict[str, list[Known]] = defaultdict(list)
        for event in sorted(events, key=lambda event: event.since):
            key = entity.key_of(event.record) if event.name in used else None
            if key is not None:
                self._by_key[key].append(event)
        self._since = {key: [e.since for e in found] for key, found in self._by_key.items()}

    def features(self, question: Question, positions: Sequence[int] | None) -> list[float]:
        """What could be known at the asked time, of the events that the state had."""
        key = self._entity.key_of(question.request)
        times = self._since.get(key, []) if key is not None else []
        first = bisect_right(times, question.at - self._horizon)
        last = bisect_right(times, question.at)
        found = self._by_key[key][first:last] if key is not None and last else []
        if positions is not None:
            found = [e for e in found if positions and e.offset <= positions[e.partition]]
        return features_of(self._entity, [(e.name, e.record) for e in found], question.at)


def foreseen(
    vectors_of: Callable[[Sequence[Stamped]], Asked],
    stream: Sequence[Stamped],
    cut: int,
    altered: Callable[[Stamped], Stamped | None],
) -> list[str]:
    """The ids of questions asked up to `cut` (ms) whose vectors depend on events after it.

    `vectors_of` is what is under test; it is run on the stream, and again with every event after
    `cut` passed through `altered` (None leaves it out).
    """
    first = vectors_of(stream)
    changed = (altered(s) if s.stream == "events" and s.time_ms > cut else s for s in stream)
    second = vectors_of([stamped for stamped in changed if stamped is not None])
    before = np.flatnonzero(first.at <= cut)
    one, other = first.vectors[before], second.vectors[before]
    same = ((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)
    ids: list[str] = first.ids[before][~same].tolist()
    return ids
