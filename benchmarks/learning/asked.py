"""What a stream asks: the vectors of its requests from real tables, in one process, and its labels.

The tables, the vectors and the grouping are those of the flows and the endpoint; only the broker
and Redis are left out, so every request sees exactly the events up to its asked time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.shards import Sharding
from infra.decoding import Columns
from online_models.features.layout import layouts_of
from online_models.features.tiles import TileTable
from online_models.features.vector import Vectorizer, Vectors
from schemas.dataset import Stamped
from schemas.declare import Domain, Label, Unlabelled

NEVER = -1
"""Stands for the time of a label that never came."""

_AT_ONCE = 64
"""Events and requests are gathered up to so many, and no longer than their order allows."""


class Tables:
    """The state of every entity of a domain: events go in, vectors come out."""

    def __init__(self, domain: Domain) -> None:
        layouts = layouts_of(domain)
        self._tables = {name: TileTable(layout, 1) for name, layout in layouts.items()}
        self._sharding = Sharding(layouts)
        self._vectorizer = Vectorizer(domain)
        self._seen = 0

    def add(self, events: Sequence[Stamped]) -> None:
        """Updates every entity that the events touch."""
        first, self._seen = self._seen, self._seen + len(events)
        found: dict[str, Columns] = {}
        for offset, event in enumerate(events, first):
            columns = found.setdefault(event.name, Columns(event.name, [], []))
            columns.records.append(event.record)
            columns.offsets.append(offset)
        for _, update in self._sharding.split(0, first, self._seen, list(found.values())):
            for group in update.groups:
                table = self._tables[group.entity]
                for key in table.missing(group.keys):
                    table.load(key, None)
                table.update(group.event, group.keys, group.records, 0, group.offsets)

    def vectors(self, requests: Sequence[Stamped]) -> Vectors:
        """The vectors of requests at their asked times, as the tables are now.

        A position is the number of events added before the one it stands for.
        """
        records = [request.record for request in requests]
        blobs = [self._blobs(record) for record in records]
        return self._vectorizer.vectors(records, blobs, [r.time_ms for r in requests])

    def _blobs(self, record: dict[str, Any]) -> list[bytes | None]:
        pairs = zip(self._tables.values(), self._vectorizer.keys(record), strict=True)
        return [None if key is None else table.blob(key) for table, key in pairs]


@dataclass(frozen=True)
class Asked:
    """n questions in the order in which they were asked, and what became of them.

    `at` [n] is when each was asked, `vectors` [n, width] what a model sees (`names` are its
    columns), `label` [n] the truth and `labelled` [n] when it came; NaN and NEVER where none did.
    """

    names: tuple[str, ...]
    ids: NDArray[np.str_]
    at: NDArray[np.int64]
    vectors: NDArray[np.float64]
    label: NDArray[np.float64]
    labelled: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def save(self, path: Path) -> None:
        """Writes all arrays to one .npz file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{**vars(self), "names": np.array(self.names)})

    @staticmethod
    def read(path: Path) -> Asked:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        return Asked(**{**arrays, "names": tuple(arrays["names"].tolist())})


def asked_of(domain: Domain, stream: Iterable[Stamped]) -> Asked:
    """Runs a stream, which must be in the order of `schemas.dataset`, through fresh tables."""
    labels: dict[str, tuple[float, int]] = {}
    ids: list[str] = []
    at: list[int] = []
    vectors: list[NDArray[np.float64]] = []
    tables = Tables(domain)
    for kind, batch in _runs(stream, labels):
        if kind == "events":
            tables.add(batch)
        else:
            ids += [request.record["id"] for request in batch]
            at += [request.time_ms for request in batch]
            vectors.append(tables.vectors(batch).values)
    found = [
        _settled(domain.label, time, labels.get(id_)) for id_, time in zip(ids, at, strict=True)
    ]
    asked, labelled = np.array(at, np.int64), np.array([time for _, time in found], np.int64)
    return Asked(
        domain.vector_names,
        np.array(ids),
        asked,
        np.concatenate(vectors),
        np.array([value for value, _ in found], np.float64),
        as_joined(domain.label, asked, labelled),
    )


def as_joined(
    label: Label, at: NDArray[np.int64], labelled: NDArray[np.int64]
) -> NDArray[np.int64]:
    """When each label [n] counts, of those that come in time; see `online_models.joining`."""
    if label.missing is not Unlabelled.NEGATIVE:
        return labelled
    early = labelled < at.min() + label.deadline
    return np.where(early, at + label.deadline, labelled)


def _settled(label: Label, at: int, came: tuple[float, int] | None) -> tuple[float, int]:
    """Value and time of what a question asked at `at` teaches, by the domain's deadline."""
    deadline = at + label.deadline
    if came is not None and came[1] <= deadline:
        return came
    return (0.0, deadline) if label.missing is Unlabelled.NEGATIVE else (np.nan, NEVER)


def _runs(
    stream: Iterable[Stamped], labels: dict[str, tuple[float, int]]
) -> Iterator[tuple[str, list[Stamped]]]:
    """Events in a row and requests in a row, by turns; labels go to `labels` by id."""
    for kind, run in groupby(_unlabelled(stream, labels), key=lambda stamped: stamped.stream):
        batch: list[Stamped] = []
        for stamped in run:
            batch.append(stamped)
            if len(batch) == _AT_ONCE:
                yield kind, batch
                batch = []
        if batch:
            yield kind, batch


def _unlabelled(
    stream: Iterable[Stamped], labels: dict[str, tuple[float, int]]
) -> Iterator[Stamped]:
    for stamped in stream:
        if stamped.stream == "labels":
            labels[stamped.record["id"]] = stamped.record["value"], stamped.time_ms
        else:
            yield stamped
