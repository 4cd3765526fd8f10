"""Puts records on a domain's topics: from a data set or a file, paced by event time or at once."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from infra import topics
from infra.event_files import BadRow, BadRows, EventFile, open_file
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings, domain_of
from infra.written import new_file
from schemas.avro import CORE
from schemas.dataset import Dataset, Stamped, load
from schemas.declare import Domain, Schema

STREAMS = ("events", "labels", "requests")
"""The streams that come from outside; all others are made by Headrace itself."""

SEED = 1
"""Of a simulated data set where none is said."""

FLUSH_TIMEOUT = 60.0


class RefusedRowError(ValueError):
    """A row that does not fit its schema, where every row must."""


@dataclass
class Produced:
    """What has been sent so far; `time` is the newest event time among it."""

    records: Counter[str] = field(default_factory=Counter)
    bad: BadRows = field(default_factory=BadRows)
    time: int = 0

    @property
    def total(self) -> int:
        """Records sent."""
        return self.records.total()


class Pace:
    """Lets event time pass `speed_up` times as fast as the clock; as fast as it goes without."""

    def __init__(self, speed_up: float | None) -> None:
        self._speed_up = speed_up
        self._began: tuple[int, float] | None = None

    def wait(self, event_time: int) -> None:
        """Returns when that event time (ms) has come; the first one has come at once."""
        if self._speed_up is None:
            return
        if self._began is None:
            self._began = (event_time, time.monotonic())
        first, began = self._began
        due = began + (event_time - first) / 1_000 / self._speed_up
        late = due - time.monotonic()
        if late > 0:
            time.sleep(late)


def key_of(domain: Domain, stream: str, name: str, record: Mapping[str, Any]) -> str | None:
    """The Kafka key: an event's declared fields joined by `|`, the id of a label or request."""
    if stream != "events":
        return record.get("id")
    return "|".join(str(record[part]) for part in domain.event(name).key)


def schemas_of(domain: Domain, stream: str) -> dict[str, Schema]:
    """The records that may stand on a stream, by name."""
    if stream == "labels":
        return {"label": CORE["label"]}
    if stream == "requests":
        return {"request": domain.schemas["request"]}
    return domain.event_schemas


class SourceError(ValueError):
    """What was asked to be produced is not there, or is not said."""


@dataclass(frozen=True)
class Source:
    """Records to produce; `done` of `size` tell how far they were read, 0 where that is unknown."""

    items: Iterator[Stamped | BadRow]
    size: int = 0
    done: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a data set, and what is planted in it; its truth is written to the file `truth`."""

    days: float | None = None
    start: str | None = None
    seed: int | None = None
    plant: Sequence[str] = ()
    truth: Path | None = None

    @property
    def said(self) -> list[str]:
        """The options by which it was asked for."""
        return [f"--{f.name}" for f in fields(self) if getattr(self, f.name) != f.default]


def write_truth(
    data: Dataset,
    file: Path,
    days: float | None,
    start: str | None,
    seed: int,
    plant: Sequence[str],
) -> None:
    """Writes what a replay has planted as JSON lines; raises as it does, or UnwritableFileError."""
    with new_file(file) as out:
        for record in data.truth(days, start, seed, plant):
            out.write(json.dumps(record).encode() + b"\n")


def _part(data: Dataset, part: Part) -> Iterator[Stamped]:
    seed = SEED if part.seed is None else part.seed
    if part.truth is not None:
        write_truth(data, part.truth, part.days, part.start, seed, part.plant)
    return data.replay(part.days, part.start, seed, part.plant)


def source(
    settings: Settings,
    file: str | None,
    dataset: bool,
    event: str | None,
    stream: str,
    part: Part,
) -> Source:
    """The shipped data set, or `part` of it, a file, or standard input for `-`.

    Raises SourceError, UnreadableFileError, or DeclarationError of the domain.
    """
    if dataset == (file is not None):
        raise SourceError("give a file, - for standard input, or --dataset: one of them")
    if not dataset and part.said:
        raise SourceError(
            f"{', '.join(part.said)} with {file}; expected with --dataset only: the records of a "
            "file are produced as they are"
        )
    if stream not in STREAMS:
        raise SourceError(f"no stream {stream!r} to produce to; expected {', '.join(STREAMS)}")
    domain = domain_of(settings)
    if dataset:
        return Source(_part(load(settings.domain), part))
    schemas = schemas_of(domain, stream)
    named = event or (next(iter(schemas)) if len(schemas) == 1 else None)
    if file == "-":
        return Source(_stamped(EventFile("stdin", sys.stdin.buffer, schemas, named), stream))
    rows = open_file(Path(str(file)), schemas, named)
    return Source(_stamped(rows, stream), rows.size, lambda: rows.done)


def _stamped(rows: EventFile, stream: str) -> Iterator[Stamped | BadRow]:
    for row in rows:
        if isinstance(row, BadRow):
            yield row
        else:
            known = row.record.get("time", row.record.get("at"))
            yield Stamped(known or 0, stream, row.event, row.record)  # type: ignore[arg-type]


def run(
    settings: Settings,
    source: Source,
    speed_up: float | None,
    strict: bool,
    tell: Callable[[Produced], None],
) -> Produced:
    """Produces a source to the domain's topics, which are made where they do not exist."""
    domain = domain_of(settings)
    topics.create_topics(settings, domain)
    sender = Sender(settings, domain, registry(settings))
    return produce(sender, domain, source.items, Pace(speed_up), strict, tell)


def produce(
    sender: Sender,
    domain: Domain,
    items: Iterable[Stamped | BadRow],
    pace: Pace,
    strict: bool,
    tell: Callable[[Produced], None],
) -> Produced:
    """Sends records in their order and waits until the log has them; `tell` hears of each.

    A bad row is counted and passed over; where `strict`, it raises RefusedRowError. Raises
    LogError where records could not be delivered.
    """
    done = Produced()
    for item in items:
        if isinstance(item, BadRow):
            if strict:
                sender.flush(FLUSH_TIMEOUT)
                raise RefusedRowError(f"{item} (after {done.total} records)")
            done.bad.add(item)
        else:
            pace.wait(item.time_ms)
            send(sender, domain, item)
            done.records[item.name] += 1
            done.time = max(done.time, item.time_ms)
        tell(done)
    sender.flush(FLUSH_TIMEOUT)
    return done


def send(sender: Sender, domain: Domain, item: Stamped) -> None:
    """Sends one record without waiting for its delivery."""
    key = key_of(domain, item.stream, item.name, item.record)
    sender.send(item.stream, item.name, item.record, key)
