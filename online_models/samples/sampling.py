"""A declared sample as a key of the stream: offers examples to its reservoir, takes snapshots.

All of it is a function of the examples' order: where a batch begins decides nothing that is
published under a version.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from online_models.samples.reservoirs import Decayed, Stratified, Uniform, Weighted
from schemas.declare import Domain, Sample

PART_BYTES = 900_000
"""Most bytes of a part of a snapshot, about: brokers take a megabyte unless they are told."""
_NUMBER_BYTES, _ROW_BYTES = 8, 400

Example = Mapping[str, Any]
Record = dict[str, Any]


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


Reservoir = Uniform[Row] | Weighted[Row] | Decayed[Row] | Stratified[Row]


@dataclass(slots=True)
class State:
    """What has to survive a crash; can be pickled. Times are event time in ms."""

    sample: Sample
    reservoir: Reservoir
    version: int = 0
    time: int = 0
    since: int = 0
    snapshot_version: int = 0
    snapshot_time: int = 0


class Sampling:
    """One sample of a domain; starts empty, or goes on from a state."""

    def __init__(
        self, domain: Domain, sample: Sample, seed: int, state: State | None = None
    ) -> None:
        self._domain = domain
        self._sample = sample
        self._column = domain.vector_names.index(sample.by[0]) if sample.kind == "weighted" else 0
        self.state = state or State(sample, make(sample, seed))

    def take(self, examples: Sequence[Example]) -> list[Record]:
        """Offers the examples; gives the parts of the newest snapshot that fell due, or none.

        Records of `sample.avsc`. Snapshots that fell due earlier in the same call would be
        replaced at once, and are left out.
        """
        last = self._due(examples)
        if last is None:
            self._offer(examples)
            return []
        self._offer(examples[: last + 1])
        records = self.snapshot()
        self._offer(examples[last + 1 :])
        return records

    def snapshot(self) -> list[Record]:
        """The sample as it is now, in parts that a broker takes."""
        state, rows = self.state, list(self._rows())
        each = max(1, PART_BYTES // (_ROW_BYTES + _NUMBER_BYTES * len(self._domain.vector_names)))
        parts = max(1, math.ceil(len(rows) / each))
        head = {
            "name": self._sample.name,
            "version": state.version,
            "parts": parts,
            "time": state.time,
            "since": state.since,
            "domain": self._domain.name,
            "kind": self._sample.kind,
            "size": self._sample.size,
            "strata": self._strata(),
        }
        return [
            {**head, "part": part, "rows": rows[part * each : (part + 1) * each]}
            for part in range(parts)
        ]

    def kept(self) -> int:
        """How many rows the sample has now."""
        return len(self.state.reservoir.items)

    def _due(self, examples: Sequence[Example]) -> int | None:
        """The last example after which a snapshot is due; notes what was due.

        Due is what the declaration says, and early on whenever the stream has doubled.
        """
        state, every, last = self.state, self._sample.publishing, None
        newest = state.time
        for number, example in enumerate(examples):
            count = state.version + number + 1
            if count == 1:
                newest = state.snapshot_time = example["time"]
            newest = max(newest, example["time"])
            enough = min(every.examples, max(1, state.snapshot_version))
            if (
                count - state.snapshot_version >= enough
                or newest - state.snapshot_time >= every.time
            ):
                state.snapshot_version, state.snapshot_time, last = count, newest, number
        return last

    def _offer(self, examples: Sequence[Example]) -> None:
        if not examples:
            return
        rows = [_row(example) for example in examples]
        state, times = self.state, [row.time for row in rows]
        state.since = min(times) if state.version == 0 else min(state.since, *times)
        state.time = max(times) if state.version == 0 else max(state.time, *times)
        state.version += len(rows)
        reservoir = self.state.reservoir
        if isinstance(reservoir, Uniform):
            reservoir.extend(rows)
        elif isinstance(reservoir, Decayed):
            reservoir.extend(rows, times)
        elif isinstance(reservoir, Stratified):
            reservoir.extend(rows, [stratum(self._sample.by, row) for row in rows])
        else:
            weighed = [row for row in rows if row.vector[self._column] > 0]  # unknown ones are not
            reservoir.extend(weighed, self._log_weights(weighed))

    def _log_weights(self, rows: Sequence[Row]) -> list[float]:
        return [math.log(row.vector[self._column]) for row in rows]

    def _rows(self) -> Iterator[Record]:
        reservoir = self.state.reservoir
        if isinstance(reservoir, Stratified):
            for name in sorted(reservoir.strata):
                yield from _records(reservoir.strata[name], name)
        elif isinstance(reservoir, Uniform):
            yield from _records(reservoir, "")
        else:
            rows = reservoir.items
            if isinstance(reservoir, Decayed):
                weights = reservoir.stands_for([row.time for row in rows])
            else:
                weights = reservoir.stands_for(self._log_weights(rows))
            yield from (_record(row, "", weight) for row, weight in zip(rows, weights, strict=True))

    def _strata(self) -> dict[str, int]:
        reservoir = self.state.reservoir
        if not isinstance(reservoir, Stratified):
            return {}
        return {name: reservoir.strata[name].seen for name in sorted(reservoir.strata)}


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


def stratum(by: Sequence[str], row: Row) -> str:
    """The stratum of a row: its label and slices as declared, joined by `|`."""
    return "|".join(
        f"{row.label:g}" if name == "label" else row.slices.get(name, "") for name in by
    )


def whole(records: Iterable[Record]) -> dict[str, Record]:
    """The newest whole snapshot of each sample by name, its parts put together.

    Takes the topic's records in their order. A snapshot of which a part is missing, since its
    writer was interrupted, is passed over: the writer's next run sends it again.
    """
    parts: dict[tuple[str, int], dict[int, Record]] = {}
    found: dict[str, Record] = {}
    for record in records:
        key = (record["name"], record["version"])
        held = parts.setdefault(key, {})
        held[record["part"]] = record
        if len(held) == record["parts"]:
            rows = [row for part in sorted(held) for row in held[part]["rows"]]
            found[record["name"]] = {**held[0], "rows": rows}
            del parts[key]
    return found


def _row(example: Example) -> Row:
    kept = {name: example[name] for name in Row._fields}
    return Row(**{**kept, "vector": array("d", example["vector"])})


def _records(reservoir: Uniform[Row], name: str) -> Iterator[Record]:
    for row in reservoir.items:
        yield _record(row, name, reservoir.seen / len(reservoir.items))


def _record(row: Row, name: str, weight: float) -> Record:
    vector = row.vector.tolist()
    return {**row._asdict(), "vector": vector, "stratum": name, "weight": weight}
