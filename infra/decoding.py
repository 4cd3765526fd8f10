"""Decodes batches of messages; what cannot be used comes out as dead letters beside the good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from infra.dead_letters import Raw, dead_letter
from infra.registry import Registry
from schemas.avro import Reader, Unreadable
from schemas.declare import DAY, Schema

Good = tuple[str, dict[str, Any], int]
"""Record name, record, offset."""

_LATEST = DAY
_LATEST_OTHER = 366 * DAY


class Decoded(NamedTuple):
    """A batch's records in the order of the log, and its dead letters."""

    good: list[Good]
    dead: list[dict[str, Any]]


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

    def batch(self, topic: str, partition: int, raws: Sequence[Raw]) -> Decoded:
        """Decodes messages of one partition; asks the registry at most once."""
        good: list[Good] = []
        faults: list[tuple[Raw, Unreadable]] = []
        for raw in raws:
            try:
                good.append(self._one(raw))
            except Unreadable as fault:
                faults.append((raw, fault))
        wanted = Counter(f.schema_id for _, f in faults if f.reason == "unknown_schema")
        if wanted:
            faults = self._again(wanted, faults, good)
        dead = [
            dead_letter(fault.reason, fault.detail, self._flow, topic, partition, raw)
            for raw, fault in faults
        ]
        return Decoded(good, dead)

    def _checked(self, schema: Schema) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
        """The fields that must be finite, and the time fields with how far ahead they may be."""
        times = _fields(schema, "timestamp-millis") if self._earliest is not None else ()
        ahead = tuple((name, _LATEST if name == "time" else _LATEST_OTHER) for name in times)
        return _fields(schema, "double"), ahead

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


def raw(message: Any) -> Raw:
    """A confluent-kafka message, as plain values that can be pickled."""
    return Raw(message.offset(), message.timestamp()[1], message.key(), message.value())


def _fields(schema: Schema, kind: str) -> tuple[str, ...]:
    """A record's own fields of a type or logical type, nullable or not."""
    return tuple(f["name"] for f in schema["fields"] if _is(f["type"], kind))


def _is(schema: Any, kind: str) -> bool:
    if isinstance(schema, list):
        return any(_is(part, kind) for part in schema)
    if isinstance(schema, Mapping):
        return schema.get("logicalType") == kind
    return bool(schema == kind)
