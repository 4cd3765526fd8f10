"""The vector that a model sees, from requests and the blobs of their entities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from online_models.features.blobs import (
    HEADER,
    ForeignState,
    blob_size,
    check_blob,
    head_of,
)
from online_models.features.columns import Record, RequestColumns
from online_models.features.finalise import features_at
from online_models.features.layout import EntityLayout, join, layouts_of
from schemas.declare import Domain

Positions = tuple[tuple[int, ...], ...]
Head = Callable[[bytes, int], tuple[int, ...]]


@dataclass(slots=True)
class Vectors:
    """What a batch of n requests is scored on; every list has one item a request.

    `values` [n, width] in the order of the domain's `vector_names`. `positions` are those of each
    entity's state, empty where there was none. `newest_age` and `oldest_age` are t minus the
    newest event time of the most and the least recently touched entity, in ms, None where no
    entity had state; below 0 the state was ahead of the question. `missing` names the entities
    without state, `foreign` those whose blob was not of the domain's layout: both got defaults.
    """

    values: NDArray[np.float64]
    positions: list[Positions]
    newest_age: list[int | None]
    oldest_age: list[int | None]
    missing: list[tuple[str, ...]]
    foreign: list[tuple[str, ...]]


class Vectorizer:
    """Builds the vectors of a domain."""

    def __init__(self, domain: Domain) -> None:
        layouts = layouts_of(domain)
        self._parts = [_Part(layout) for layout in layouts.values()]
        self._layout = join(list(layouts.values()))
        self._columns = RequestColumns(domain)
        self._keys = [_key_reader(entity.key) for entity in domain.entities]
        self._split = len(domain.columns)

    def keys(self, request: Record) -> list[str | None]:
        """The request's key of each entity of the domain; None where a part is missing."""
        return [key_of(request) for key_of in self._keys]

    def columns(self, requests: Sequence[Record]) -> NDArray[np.float64]:
        """The request's own columns, then its categories, float64 [n, columns + categories]."""
        rows = [self._columns.read(request) for request in requests]
        values = [columns + categories for columns, categories in rows]
        return np.array(values, np.float64).reshape(len(requests), -1)

    def vectors(
        self,
        requests: Sequence[Record],
        blobs: Sequence[Sequence[bytes | None]],
        times: Sequence[int],
    ) -> Vectors:
        """The vectors of n requests at their times, from the blobs of their entities.

        `blobs` gives, for each request, one blob or None for each entity in the domain's order.
        """
        states = _States(self._parts)
        for time, row in zip(times, blobs, strict=True):
            states.add(time, row)
        own = self.columns(requests)
        features = features_at(self._layout, states.matrix(), np.array(times, np.int64))
        values = np.concatenate([own[:, : self._split], features, own[:, self._split :]], axis=1)
        return Vectors(
            values,
            states.positions,
            states.newest_age,
            states.oldest_age,
            states.missing,
            states.foreign,
        )


class _Part:
    """What a good blob of one entity begins with, and its blank row."""

    def __init__(self, layout: EntityLayout) -> None:
        self.layout = layout
        self.name = layout.entity.name
        self.blank = layout.blank().tobytes()
        self._shapes: dict[bytes, tuple[int, Head, int]] = {}

    def head(self, blob: bytes) -> tuple[tuple[int, ...], int]:
        """The newest time with the positions, and where the row starts; raises ForeignState."""
        shape = self._shapes.get(blob[:8])
        if shape is None or shape[0] != len(blob):
            partitions = check_blob(self.layout, blob)
            start = HEADER.size + 8 * partitions
            shape = (blob_size(self.layout, partitions), head_of(partitions).unpack_from, start)
            self._shapes[blob[:8]] = shape
        return shape[1](blob, 8), shape[2]


class _States:
    """Collects the blobs of requests: their rows side by side, and what their headers say."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts
        self._rows: list[bytes] = []
        self.positions: list[Positions] = []
        self.newest_age: list[int | None] = []
        self.oldest_age: list[int | None] = []
        self.missing: list[tuple[str, ...]] = []
        self.foreign: list[tuple[str, ...]] = []

    def add(self, time: int, blobs: Sequence[bytes | None]) -> None:
        """One request's blobs."""
        positions, times, missing, foreign = [], [], [], []
        for part, blob in zip(self._parts, blobs, strict=True):
            place: tuple[int, ...] = ()
            if blob is None:
                missing.append(part.name)
                self._rows.append(part.blank)
            else:
                try:
                    head, start = part.head(blob)
                    times.append(head[0])
                    place = head[1:]
                    self._rows.append(blob[start:])
                except ForeignState:
                    foreign.append(part.name)
                    self._rows.append(part.blank)
            positions.append(place)
        self.positions.append(tuple(positions))
        self.newest_age.append(time - max(times) if times else None)
        self.oldest_age.append(time - min(times) if times else None)
        self.missing.append(tuple(missing))
        self.foreign.append(tuple(foreign))

    def matrix(self) -> NDArray[np.float64]:
        """The rows of all requests, float64 [n, width]."""
        return np.frombuffer(b"".join(self._rows), "<f8").reshape(len(self.positions), -1)


def _key_reader(fields: tuple[str, ...]) -> Callable[[Record], str | None]:
    """`Entity.key_of` for these fields, made quick for a key of one part."""
    if len(fields) > 1:
        return partial(_joined_key, fields)
    [name] = fields

    def single(record: Record) -> str | None:
        part = record.get(name)
        return part if part is None or part.__class__ is str else str(part)

    return single


def _joined_key(fields: tuple[str, ...], record: Record) -> str | None:
    parts = [record.get(name) for name in fields]
    return None if None in parts else "|".join(map(str, parts))
