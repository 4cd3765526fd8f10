"""A declared sample as a key of the stream: offers examples to its reservoir, takes snapshots.

All of it is a function of the examples' order: where a batch begins decides nothing that is
published under a version.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from online_models.samples.kinds import KINDS, Kept, Reservoir, Row, make
from schemas.declare import Domain, Sample

PART_BYTES = 900_000
"""Most bytes of a part of a snapshot, about: brokers take a megabyte unless they are told."""
_NUMBER_BYTES, _ROW_BYTES = 8, 400

Example = Mapping[str, Any]
Record = dict[str, Any]


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
        self.state = state or State(sample, make(sample, seed))
        self._kind = KINDS[sample.kind](domain, sample, self.state.reservoir)

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
        state, rows = self.state, [_record(kept) for kept in self._kind.kept()]
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
            "strata": self._kind.strata(),
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
        self._kind.offer(rows)


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


def _record(kept: Kept) -> Record:
    row, stratum, weight = kept
    vector = row.vector.tolist()
    return {**row._asdict(), "vector": vector, "stratum": stratum, "weight": weight}
