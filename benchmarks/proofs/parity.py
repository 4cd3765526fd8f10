"""Parity: every served vector beside one that is computed again from the raw events of the log.

A prediction carries the vector that the model saw and, for each entity, its positions: the offset
of the last event of each partition that its state held. From the log, plain Python computes the
vector again over exactly those events, and every value must be the same to the last bit. Of the
code that serves, `benchmarks.proofs.reference` shares the declarations and the stable hash alone.

Events of an entity beyond its positions were not in Redis when the vector was read. Those that the
log had by then were in flight; the times that the log keeps of both records tell them from those
that were only sent later. A prediction is logged some milliseconds after its vector was read, so
an event of those milliseconds counts as in flight too. An event that had been in the log for longer
than `patience` and still was not in the state is lost, not in flight.

Answers whose features were degraded (older ones, or defaults) are left out and counted; a fallback
of the model alone changes no vector.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from benchmarks.proofs.histories import History, Logged, Place
from benchmarks.proofs.reference import columns_of
from infra import inspection, kafka
from infra.decoding import Decoder
from infra.kafka import raw_of
from infra.registry import registry
from infra.settings import Settings
from schemas.avro import CORE
from schemas.declare import Domain

Record = Mapping[str, Any]

PATIENCE = 60_000
"""Milliseconds that an event may be in the log and not yet in Redis; later it counts as lost."""

_NOT_READ = "features:"
"""What reasons of degraded answers begin with where the vector is not of Redis as it was."""

SHOWN = 10
"""Differences that are kept to be shown."""


class Difference(msgspec.Struct, frozen=True):
    """A value that is not what the events in Redis make of it."""

    id: str
    at: int
    feature: str
    served: float
    recomputed: float

    def __str__(self) -> str:
        return (
            f"{self.feature} of {self.id} at {self.at}: served {self.served!r}, "
            f"recomputed {self.recomputed!r}"
        )


class Parity(msgspec.Struct, kw_only=True):
    """What was compared, and what came of it.

    `events` are those of the log, less its dead letters. `applied`, `in_flight` and `lost` count
    pairs of a compared entity and an event of it inside the reach of its features that the log had
    by then: in the state that was read, or not; `behind` are the vectors with any in flight and
    `longest_ms` is the longest that one of those had been in the log. `unknown` are predictions
    whose request is not known, which cannot be computed again.
    """

    domain: str
    events: int
    predictions: int = 0
    vectors: int = 0
    values: int = 0
    degraded: dict[str, int] = {}
    unknown: int = 0
    applied: int = 0
    in_flight: int = 0
    lost: int = 0
    behind: int = 0
    longest_ms: int = 0
    different_values: int = 0
    different_vectors: int = 0
    differences: list[Difference] = []
    seconds: float = 0.0

    @property
    def equal(self) -> bool:
        """Whether vectors were compared, all values were the same and no event was lost."""
        return self.vectors > 0 and not self.different_values and not self.lost


class Served(NamedTuple):
    """A prediction of the log and when it was logged, ms."""

    record: Record
    logged: int


def check(
    settings: Settings,
    domain: Domain,
    requests: Mapping[str, Record],
    patience: int = PATIENCE,
) -> Parity:
    """Compares every prediction of the log; `requests` has what was asked, by id.

    What was asked over the topic `requests` is known from there. Raises LogError.
    """
    began = time.perf_counter()
    known = {**requests, **_streamed(settings, domain)}
    found = _compare(
        domain, events_of(settings, domain), _served(settings, domain), known, patience
    )
    found.seconds = time.perf_counter() - began
    return found


def told(result: Parity) -> Iterator[str]:
    """Lines for a person."""
    yield (
        f"{result.predictions:,} predictions and {result.events:,} events in the log of "
        f"{result.domain}; {result.vectors:,} vectors, {result.values:,} values compared in "
        f"{result.seconds:.0f} s"
    )
    left = [f"{number:,} {reason}" for reason, number in sorted(result.degraded.items())]
    yield f"left out as degraded: {', '.join(left) or 'none'}; no request known: {result.unknown:,}"
    yield (
        f"of the events that the log had by then, {result.applied:,} were in the states that were "
        f"read and {result.in_flight:,} in flight, in {result.behind:,} vectors, for "
        f"{result.longest_ms:,} ms at most; {result.lost:,} lost"
    )
    if result.different_values:
        yield (
            f"DIFFERENT: {result.different_values:,} values of {result.different_vectors:,} "
            f"vectors; first {result.differences[0]}"
        )
    elif not result.vectors:
        yield "NOTHING was compared"
    elif result.equal:
        yield "every value is the same"


def _compare(
    domain: Domain,
    events: Sequence[Logged],
    served: Iterable[Served],
    requests: Mapping[str, Record],
    patience: int,
) -> Parity:
    histories = [History(entity, events) for entity in domain.entities]
    found, degraded = Parity(domain=domain.name, events=len(events)), Counter[str]()
    for prediction in served:
        record = prediction.record
        found.predictions += 1
        request = requests.get(record["id"])
        if any(reason.startswith(_NOT_READ) for reason in record["degraded"]):
            degraded[", ".join(record["degraded"])] += 1
        elif request is None:
            found.unknown += 1
        else:
            _account(found, histories, prediction, request, patience)
            _hold(found, domain, record, _recomputed(domain, histories, record, request))
    found.degraded = dict(degraded)
    return found


def _recomputed(
    domain: Domain, histories: Sequence[History], record: Record, request: Record
) -> list[float]:
    columns, categories = columns_of(domain, request)
    features: list[float] = []
    for history, positions in zip(histories, record["positions"], strict=True):
        features += history.features(request, record["time"], positions)
    return [*columns, *features, *categories]


def _hold(found: Parity, domain: Domain, record: Record, wanted: Sequence[float]) -> None:
    """Holds a served vector against the recomputed one, value by value; NaN equals NaN."""
    found.vectors += 1
    before = found.different_values
    for name, one, other in zip(domain.vector_names, record["vector"], wanted, strict=True):
        found.values += 1
        if one != other and not (one != one and other != other):
            found.different_values += 1
            if len(found.differences) < SHOWN:
                known = Difference(record["id"], record["time"], name, one, other)
                found.differences = [*found.differences, known]
    found.different_vectors += found.different_values > before


def _account(
    found: Parity, histories: Sequence[History], served: Served, request: Record, patience: int
) -> None:
    """Counts the events that the log had when a vector was read, by whether its states did."""
    record, waiting = served.record, 0
    for history, positions in zip(histories, record["positions"], strict=True):
        applied, waits = history.waiting(request, record["time"], positions, served.logged)
        late = sum(wait > patience for wait in waits)
        found.applied += applied
        found.lost += late
        found.in_flight += len(waits) - late
        waiting += len(waits) - late
        found.longest_ms = max([found.longest_ms, *(wait for wait in waits if wait <= patience)])
    found.behind += waiting > 0


def events_of(settings: Settings, domain: Domain) -> list[Logged]:
    """The events of the log; those that are dead letters are none."""
    topic = domain.topic("events")
    letters = inspection.read(settings, domain, "dead-letters")
    dead = {(e["partition"], e["offset"]) for e in letters if e["topic"] == topic}
    return [
        Logged(name, record, place, logged)
        for name, record, place, logged in _decoded(settings, domain, topic, domain.event_schemas)
        if place not in dead
    ]


def _served(settings: Settings, domain: Domain) -> Iterator[Served]:
    topic, schemas = domain.topic("predictions"), {"prediction": CORE["prediction"]}
    for _, record, _, logged in _decoded(settings, domain, topic, schemas):
        yield Served(record, logged)


def _streamed(settings: Settings, domain: Domain) -> dict[str, Record]:
    asked = inspection.read(settings, domain, "requests")
    return {record["id"]: record for record in asked if record.get("id")}


def _decoded(
    settings: Settings, domain: Domain, topic: str, schemas: Mapping[str, Any]
) -> Iterator[tuple[str, Record, Place, int]]:
    """Name, record, place and time of what can be read of a topic, partition by partition."""
    decoder = Decoder(schemas, registry(settings), "parity", domain.earliest)
    by_partition: dict[int, list[Any]] = defaultdict(list)
    for message in kafka.read_topic(settings, topic):
        by_partition[message.partition()].append(raw_of(message))
    for partition, raws in sorted(by_partition.items()):
        logged = {each.offset: each.time for each in raws}
        for name, record, offset in decoder.batch(topic, partition, raws).good:
            yield name, record, (partition, offset), logged[offset]
