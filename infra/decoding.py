"""Decodes batches of messages; what cannot be used comes out as dead letters beside the good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from infra.dead_letters import dead_letter
from infra.kafka import Raw
from infra.registry import Registry
from schemas.avro import HEADER, Reader, Unreadable
from schemas.bulk import BulkReader
from schemas.declare import DAY, Schema, is_time

Good = tuple[str, dict[str, Any], int]
"""Record name, record, offset."""

FEW = 8
"""Below so many messages, one by one is as fast as all at once."""

_LATEST = DAY
_LATEST_OTHER = 366 * DAY


class Decoded(NamedTuple):
    """A batch's records in the order of the log, and its dead letters."""

    good: list[Good]
    dead: list[dict[str, Any]]


class Columns(NamedTuple):
    """Records of one name, and their offsets, in the order in which they were given."""

    name: str
    records: list[dict[str, Any]]
    offsets: list[int]


class Decoder:
    """Decodes the records of some schemas for one flow.

    A record must be of a schema that it knows, its double fields finite (those inside an array may
    be NaN), its `time` in [earliest, logged + 1 day] and its other times in
    [earliest, logged + 366 days], where logged is the time of the message: both stand in the log,
    so a replay decides the same.
    """

    def __init__(
        self,
        schemas: Mapping[str, Schema],
        registry: Registry,
        flow: str,
        earliest: int | None = None,
    ) -> None:
        self._registry = registry
        self._flow = flow
        self._earliest = earliest
        self._reader = Reader(schemas, registry.schema)
        self._checks = {name: self._checked(schema) for name, schema in schemas.items()}
        self._bulk: dict[bytes, tuple[str, BulkReader]] = {}

    def batch(self, topic: str, partition: int, raws: Sequence[Raw]) -> Decoded:
        """Decodes messages of one partition; asks the registry at most once."""
        found = self._at_once(raws)
        if found is not None:
            return Decoded(_in_order(raws, found), [])
        good, faults = self._one_by_one(raws)
        return Decoded(good, [self._dead(topic, partition, *fault) for fault in faults])

    def columns(
        self, topic: str, partition: int, raws: Sequence[Raw]
    ) -> tuple[list[Columns], list[dict[str, Any]]]:
        """The same, by name: columns in the order of their first records, and dead letters."""
        found = self._at_once(raws)
        if found is not None:
            return list(found.values()), []
        good, dead = self.batch(topic, partition, raws)
        columns: dict[str, Columns] = {}
        for name, record, offset in good:
            if name not in columns:
                columns[name] = Columns(name, [], [])
            columns[name].records.append(record)
            columns[name].offsets.append(offset)
        return list(columns.values()), dead

    def _at_once(self, raws: Sequence[Raw]) -> dict[bytes, Columns] | None:
        """Columns by header where every message is a record and as it must be, else None."""
        if len(raws) < FEW:
            return None
        groups: dict[bytes, list[Raw]] = {}
        for raw in raws:
            if raw.value is None:
                return None
            groups.setdefault(raw.value[:HEADER], []).append(raw)
        found: dict[bytes, Columns] = {}
        for header, mine in groups.items():
            columns = self._read(header, mine)
            if columns is None:
                return None
            found[header] = columns
        return found

    def _read(self, header: bytes, raws: Sequence[Raw]) -> Columns | None:
        if header not in self._bulk:
            ours = self._reader.ours(header)
            if ours is None:
                return None
            self._bulk[header] = (ours[0], BulkReader(ours[1]))
        name, reader = self._bulk[header]
        records = reader.read([raw.value[HEADER:] for raw in raws if raw.value is not None])
        if records is None or not self._surely_fine(name, records, raws):
            return None
        return Columns(name, records, [raw.offset for raw in raws])

    def _surely_fine(
        self, name: str, records: Sequence[Mapping[str, Any]], raws: Sequence[Raw]
    ) -> bool:
        """Whether all are as they must be; where in doubt they are looked at one by one."""
        doubles, times = self._checks[name]
        for field in doubles:
            numbers = (record[field] for record in records)
            if not isfinite(sum(number for number in numbers if number is not None)):
                return False
        logged = min(raw.time for raw in raws) if times else 0
        for field, ahead in times:
            known = [at for record in records if (at := record[field]) is not None]
            if known and not (self._earliest <= min(known) and max(known) <= logged + ahead):
                return False
        return True

    def _one_by_one(self, raws: Sequence[Raw]) -> tuple[list[Good], list[tuple[Raw, Unreadable]]]:
        good: list[Good] = []
        faults: list[tuple[Raw, Unreadable]] = []
        for raw in raws:
            try:
                good.append(self._one(raw))
            except Unreadable as fault:
                faults.append((raw, fault))
        wanted = Counter(f.schema_id for _, f in faults if f.reason == "unknown_schema")
        return good, self._again(wanted, faults, good) if wanted else faults

    def _dead(self, topic: str, partition: int, raw: Raw, fault: Unreadable) -> dict[str, Any]:
        return dead_letter(fault.reason, fault.detail, self._flow, topic, partition, raw)

    def _checked(self, schema: Schema) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
        """The fields that must be finite, and the time fields with how far ahead they may be."""
        times = _fields(schema, is_time) if self._earliest is not None else ()
        ahead = tuple((name, _LATEST if name == "time" else _LATEST_OTHER) for name in times)
        return _fields(schema, _is_double), ahead

    def _one(self, raw: Raw) -> Good:
        offset, logged, _, value = raw
        name, record = self._reader.decode(value)
        doubles, times = self._checks[name]
        for field in doubles:
            number = record[field]
            if number is not None and not isfinite(number):
                raise Unreadable("wrong_value", f"{name}.{field} is {number}")
        for field, ahead in times:
            at = record[field]
            if at is not None and not self._earliest <= at <= logged + ahead:
                expected = f"{self._earliest} to {logged + ahead}"
                raise Unreadable("bad_time", f"{name}.{field} is {at}; expected {expected}")
        return name, record, offset

    def _again(
        self,
        wanted: Counter[int | None],
        faults: list[tuple[Raw, Unreadable]],
        good: list[Good],
    ) -> list[tuple[Raw, Unreadable]]:
        """Decodes messages of unknown schemas once more, after a look at the registry."""
        ids = sorted((i for i in wanted if i is not None), key=lambda i: (-wanted[i], i))
        self._registry.refresh(ids)
        left = []
        for raw, first in faults:
            if first.reason != "unknown_schema":
                left.append((raw, first))
                continue
            try:
                good.append(self._one(raw))
            except Unreadable as second:
                left.append((raw, second))
        good.sort(key=lambda found: found[2])
        return left


def _in_order(raws: Sequence[Raw], found: Mapping[bytes, Columns]) -> list[Good]:
    """Records in the order of the messages that they came in, by header."""
    names = {header: columns.name for header, columns in found.items()}
    left = {header: iter(columns.records) for header, columns in found.items()}
    headers = [raw.value[:HEADER] for raw in raws if raw.value is not None]
    return [
        (names[header], next(left[header]), raw.offset)
        for header, raw in zip(headers, raws, strict=True)
    ]


def _fields(schema: Schema, of: Callable[[Any], bool]) -> tuple[str, ...]:
    """A record's own fields of a type."""
    return tuple(field["name"] for field in schema["fields"] if of(field["type"]))


def _is_double(avro: Any) -> bool:
    return "double" in (avro if isinstance(avro, list) else [avro])
