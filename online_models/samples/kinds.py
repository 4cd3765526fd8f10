"""The kinds of declared samples: what each makes of its reservoir, and what its rows stand for."""

from __future__ import annotations

import math
import zlib
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from online_models.samples.reservoirs import Decayed, Stratified, Uniform, Weighted
from schemas.declare import Domain, Sample

R = TypeVar("R")


class Row(NamedTuple):
    """What is kept of an example; in the order of the fields of `sampled` in `sample.avsc`."""

    id: str
    time: int
    asked: int
    vector: array[float]
    label: float
    probability: float
    model: str
    version: int
    arm: str
    slices: Mapping[str, str]


class Kept(NamedTuple):
    """A row of a sample, the stratum it is of, and how many of the stream it stands for."""

    row: Row
    stratum: str
    weight: float


Reservoir = Uniform[Row] | Weighted[Row] | Decayed[Row] | Stratified[Row]


def make(sample: Sample, seed: int) -> Reservoir:
    """An empty reservoir as declared; each sample draws its own numbers."""
    own = seed ^ zlib.crc32(sample.name.encode())
    if sample.kind == "uniform":
        return Uniform(sample.size, own)
    if sample.kind == "weighted":
        return Weighted(sample.size, own)
    if sample.kind == "decayed":
        return Decayed(sample.size, sample.half_life, own)
    return Stratified(sample.size, own)


class Kind(ABC, Generic[R]):
    """A declared sample's way with its reservoir, which `make` has made."""

    def __init__(self, domain: Domain, sample: Sample, reservoir: R) -> None:
        self._sample, self._reservoir = sample, reservoir

    @abstractmethod
    def offer(self, rows: Sequence[Row]) -> None:
        """Offers the stream's next rows."""

    @abstractmethod
    def kept(self) -> Iterator[Kept]:
        """What the reservoir holds now."""

    def strata(self) -> dict[str, int]:
        """How many rows of each stratum were offered; empty where the kind has none."""
        return {}


class UniformKind(Kind[Uniform[Row]]):
    """Every row alike."""

    def offer(self, rows: Sequence[Row]) -> None:
        """See `Kind.offer`."""
        self._reservoir.extend(rows)

    def kept(self) -> Iterator[Kept]:
        """See `Kind.kept`."""
        return _alike(self._reservoir, "")


class WeightedKind(Kind[Weighted[Row]]):
    """By the value of a column; of no row where that is unknown or not above 0."""

    def __init__(self, domain: Domain, sample: Sample, reservoir: Weighted[Row]) -> None:
        super().__init__(domain, sample, reservoir)
        self._column = domain.vector_names.index(sample.by[0])

    def offer(self, rows: Sequence[Row]) -> None:
        """See `Kind.offer`."""
        weighed = [row for row in rows if row.vector[self._column] > 0]
        self._reservoir.extend(weighed, self._log_weights(weighed))

    def kept(self) -> Iterator[Kept]:
        """See `Kind.kept`."""
        rows = self._reservoir.items
        return _each(rows, self._reservoir.stands_for(self._log_weights(rows)))

    def _log_weights(self, rows: Sequence[Row]) -> list[float]:
        return [math.log(row.vector[self._column]) for row in rows]


class DecayedKind(Kind[Decayed[Row]]):
    """By the recency of the event."""

    def offer(self, rows: Sequence[Row]) -> None:
        """See `Kind.offer`."""
        self._reservoir.extend(rows, [row.time for row in rows])

    def kept(self) -> Iterator[Kept]:
        """See `Kind.kept`."""
        rows = self._reservoir.items
        return _each(rows, self._reservoir.stands_for([row.time for row in rows]))


class StratifiedKind(Kind[Stratified[Row]]):
    """A share for every combination of label and slices, as declared; they are joined by `|`."""

    def offer(self, rows: Sequence[Row]) -> None:
        """See `Kind.offer`."""
        self._reservoir.extend(rows, [self._stratum(row) for row in rows])

    def kept(self) -> Iterator[Kept]:
        """See `Kind.kept`."""
        for name, stratum in sorted(self._reservoir.strata.items()):
            yield from _alike(stratum, name)

    def strata(self) -> dict[str, int]:
        """See `Kind.strata`."""
        return {name: stratum.seen for name, stratum in sorted(self._reservoir.strata.items())}

    def _stratum(self, row: Row) -> str:
        return "|".join(
            f"{row.label:g}" if name == "label" else row.slices.get(name, "")
            for name in self._sample.by
        )


KINDS: Mapping[str, type[Kind[Any]]] = {
    "uniform": UniformKind,
    "weighted": WeightedKind,
    "decayed": DecayedKind,
    "stratified": StratifiedKind,
}


def _alike(reservoir: Uniform[Row], stratum: str) -> Iterator[Kept]:
    for row in reservoir.items:
        yield Kept(row, stratum, reservoir.seen / len(reservoir.items))


def _each(rows: Sequence[Row], weights: Sequence[float]) -> Iterator[Kept]:
    return (Kept(row, "", weight) for row, weight in zip(rows, weights, strict=True))
