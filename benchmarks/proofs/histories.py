"""The events of the log by entity, and the features that plain Python makes of some of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.proofs.reference import features_of
from schemas.declare import Entity, Feature

Record = Mapping[str, Any]
Place = tuple[int, int]
"""Partition and offset."""

_REMEMBERED = 4_096


class Logged(NamedTuple):
    """An event, its place in the log and when it was logged, ms."""

    name: str
    record: Record
    place: Place
    logged: int


class _Group(NamedTuple):
    """Features of one entity whose windows are alike, and how far back events matter to them."""

    features: tuple[Feature, ...]
    reach: int
    events: frozenset[str]


class History:
    """The events of one kind of entity, by key and by time.

    What is older than twice a feature's window is not read: neither its window nor the ring that
    this stands in can hold it.
    """

    def __init__(self, entity: Entity, events: Iterable[Logged]) -> None:
        self._entity = entity
        self._groups = list(_groups(entity))
        self._reach = max(group.reach for group in self._groups)
        used = frozenset[str]().union(*(group.events for group in self._groups))
        by_key: dict[str, list[Logged]] = defaultdict(list)
        for event in sorted(events, key=lambda event: event.record["time"]):
            key = entity.key_of(event.record) if event.name in used else None
            if key is not None:
                by_key[key].append(event)
        self._by_key = {key: _Columns(found) for key, found in by_key.items()}
        self._known: dict[tuple[str | None, int, tuple[int, ...]], list[float]] = {}

    def features(self, request: Record, at: int, positions: Sequence[int]) -> list[float]:
        """The entity's features at `at` (ms) from its events up to `positions`, one a partition.

        No positions, as of an entity without state, are no events.
        """
        key = self._entity.key_of(request)
        asked = (key, at, tuple(positions))
        if asked not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[asked] = self._computed(key, at, positions)
        return self._known[asked]

    def waiting(
        self, request: Record, at: int, positions: Sequence[int], logged: int
    ) -> tuple[int, list[int]]:
        """Of the events up to `at` that the log had at `logged` (ms): how many were up to
        `positions`, and how long each of the others had been there, ms."""
        found = self._by_key.get(self._entity.key_of(request) or "")
        if found is None:
            return 0, []
        known = found.logged < logged
        known[: bisect_right(found.times, at - self._reach)] = False
        known[bisect_right(found.times, at) :] = False
        applied = found.within(positions)
        waits: list[int] = (logged - found.logged[known & ~applied]).tolist()
        return int((known & applied).sum()), waits

    def _computed(self, key: str | None, at: int, positions: Sequence[int]) -> list[float]:
        values: dict[str, float] = {}
        found = self._by_key.get(key or "")
        chosen = [] if found is None else np.flatnonzero(found.within(positions)).tolist()
        for group in self._groups:
            events: list[tuple[str, Record]] = []
            if found is not None and chosen:
                first = bisect_right(found.times, at - group.reach)
                mine = (found.events[i] for i in chosen[bisect_left(chosen, first) :])
                events = [(e.name, e.record) for e in mine if e.name in group.events]
            computed = features_of(self._entity, events, at, only=group.features)
            values.update(zip((f.name for f in group.features), computed, strict=True))
        return [values[feature.name] for feature in self._entity.features]


class _Columns:
    """The events of one entity in the order of their times, with their places as arrays."""

    def __init__(self, events: Sequence[Logged]) -> None:
        self.events = events
        self.times = [event.record["time"] for event in events]
        self.logged: NDArray[np.int64] = np.array([event.logged for event in events], np.int64)
        places: NDArray[np.int64] = np.array([event.place for event in events], np.int64)
        self._partition, self._offset = places.T

    def within(self, positions: Sequence[int]) -> NDArray[np.bool_]:
        """Which of the events are up to the positions."""
        if not len(positions):
            return np.zeros(len(self.events), np.bool_)
        newest = np.array(positions, np.int64)[self._partition]
        seen: NDArray[np.bool_] = self._offset <= newest
        return seen


def _groups(entity: Entity) -> Iterator[_Group]:
    """The features by their largest window, each with all events of the rings that it reads."""
    leaves = [leaf for feature in entity.features for leaf in (feature.parts or (feature,))]
    by_over: dict[int, list[Feature]] = defaultdict(list)
    for feature in entity.features:
        by_over[max(part.over for part in (feature.parts or (feature,)))].append(feature)
    for over, features in by_over.items():
        mine = {(p.by, p.over) for f in features for p in (f.parts or (f,))}
        same = [leaf for leaf in leaves if (leaf.by, leaf.over) in mine]
        names = frozenset(name for leaf in same for name in (leaf.event, leaf.minus) if name)
        yield _Group(tuple(features), 2 * over, names)
