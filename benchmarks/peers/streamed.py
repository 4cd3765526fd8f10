"""The work that every streaming peer does, in plain Python, free of Headrace.

An Avro record in Confluent's wire format → count, sum and mean of its user's amounts over a
minute, ten and an hour of event time, each in twelve tiles → the newest of them in Redis. `SPEC`
names a JSON file that the benchmark writes.
"""

from __future__ import annotations

import json
import os
import sys
from io import BytesIO
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter
from typing import Any

from fastavro import parse_schema, schemaless_reader

Rings = list[list[list[float]]]
"""A user's tiles, by window, the oldest first: number, count and sum of each."""

TILES = 12


def spec() -> dict[str, Any]:
    """Brokers, topic, Redis, prefix of keys, number of records, schema and windows in ms."""
    found: dict[str, Any] = json.loads(Path(os.environ["SPEC"]).read_text())
    return found


SPEC = spec()
WINDOWS: list[int] = SPEC["windows"]
SCHEMA = parse_schema(SPEC["schema"])
NAMES = [f"{what}_{over}" for over in WINDOWS for what in ("count", "sum", "mean")]


class Meter:
    """Wall and CPU time of this process, all its threads, from `start` to the last `mark`."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._ended = (0.0, 0.0)

    def start(self) -> None:
        """The clock runs from here; a second call changes nothing."""
        if self._began is None:
            self._began = _now()

    def mark(self) -> None:
        """Done as far as is known."""
        self._ended = _now()

    def tell(self, **more: object) -> None:
        """Prints the result as one line of JSON, for the benchmark to read."""
        began = self._began or self._ended
        seconds, cpu = (end - start for start, end in zip(began, self._ended, strict=True))
        said = json.dumps({"seconds": seconds, "cpu": cpu, **more})
        print(said, file=sys.__stdout__, flush=True)  # Faust takes sys.stdout for its log


def _now() -> tuple[float, float]:
    used = getrusage(RUSAGE_SELF)
    return perf_counter(), used.ru_utime + used.ru_stime


def decode(value: bytes) -> dict[str, Any]:
    """The record of a message."""
    body = BytesIO(value)
    body.seek(5)
    record: dict[str, Any] = schemaless_reader(body, SCHEMA, None)
    return record


def blank() -> Rings:
    """The tiles of a user who has not been seen."""
    return [[] for _ in WINDOWS]


def add(rings: Rings, record: dict[str, Any]) -> None:
    """Adds a record to its user's tiles; records come in the order of their times."""
    before, amount = record["time"] - 1, record["amount"]
    for over, ring in zip(WINDOWS, rings):  # noqa: B905
        newest = before // (over // TILES)
        if ring and ring[-1][0] == newest:
            tile = ring[-1]
            tile[1] += 1
            tile[2] += amount
        else:
            ring.append([newest, 1, amount])
            while ring[0][0] <= newest - TILES:
                del ring[0]


def features(rings: Rings) -> dict[str, float]:
    """The features at the newest record."""
    values: list[float] = []
    for ring in rings:
        count = sum(tile[1] for tile in ring)
        total = sum(tile[2] for tile in ring)
        values += (count, total, total / count)
    return dict(zip(NAMES, values))  # noqa: B905
