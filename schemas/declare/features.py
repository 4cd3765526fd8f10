"""Events, the features of entities over sliding windows, and what a request says by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from schemas.declare.units import HOUR, MINUTE, SECOND


class Kind(StrEnum):
    """What a feature finalises to, all from the tiles of one entity at one time."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    STD = "std"
    MIN = "min"
    MAX = "max"
    LAST = "last"
    SINCE = "since"
    DECAYED_MEAN = "decayed_mean"
    DISTINCT = "distinct"
    RATIO = "ratio"
    BALANCE = "balance"
    BALANCE_SHARE = "balance_share"
    BALANCE_AGE = "balance_age"


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of record on the domain's `events` topic; its schema is `<name>.avsc`.

    `key` names the fields that choose its Kafka partition. Every event has a long field `time`.
    """

    name: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about an entity at a time t; made by the functions below, not by hand.

    `by` is the time field that puts an event in its tile. `over` is the window (for `last` and
    `since`: how long the value stays known). `minus` is the event that a balance subtracts.
    `parts` are the two features of a ratio. `default` is given where nothing is known.
    """

    name: str
    kind: Kind
    event: str = ""
    value: str | None = None
    over: int = 0
    by: str = "time"
    minus: str | None = None
    half_life: int | None = None
    parts: tuple[Feature, ...] = ()
    default: float = math.nan

    @property
    def leaves(self) -> tuple[Feature, ...]:
        """The features that read state: itself, or those of the parts of a ratio."""
        return tuple(leaf for part in self.parts for leaf in part.leaves) or (self,)


def _named(kind: Kind, event: str, value: str | None, over: int, **more: Any) -> Feature:
    span = (
        f"{over // HOUR}h"
        if over % HOUR == 0
        else f"{over // MINUTE}m"
        if over % MINUTE == 0
        else f"{over // SECOND}s"
    )
    name = ".".join(part for part in (event, value, kind.value, span) if part)
    return Feature(name=name, kind=kind, event=event, value=value, over=over, **more)


def count(event: str, over: int) -> Feature:
    """How many events in (t - over, t]."""
    return _named(Kind.COUNT, event, None, over)


def total(event: str, value: str, over: int) -> Feature:
    """Sum of a field over the window."""
    return _named(Kind.SUM, event, value, over)


def mean(event: str, value: str, over: int, default: float = math.nan) -> Feature:
    """Mean of a field over the window."""
    return _named(Kind.MEAN, event, value, over, default=default)


def std(event: str, value: str, over: int, default: float = math.nan) -> Feature:
    """Population standard deviation of a field over the window."""
    return _named(Kind.STD, event, value, over, default=default)


def minimum(event: str, value: str, over: int, default: float = math.nan) -> Feature:
    """Smallest value of a field in the window."""
    return _named(Kind.MIN, event, value, over, default=default)


def maximum(event: str, value: str, over: int, default: float = math.nan) -> Feature:
    """Largest value of a field in the window."""
    return _named(Kind.MAX, event, value, over, default=default)


def last(event: str, value: str, within: int, default: float = math.nan) -> Feature:
    """Newest value of a field, while it is not older than `within`."""
    return _named(Kind.LAST, event, value, within, default=default)


def seconds_since(event: str, within: int, default: float = math.nan) -> Feature:
    """Seconds since the newest event, while it is not older than `within`."""
    return _named(Kind.SINCE, event, None, within, default=default)


def decayed_mean(
    event: str, value: str, half_life: int, over: int, default: float = math.nan
) -> Feature:
    """Mean whose weights halve every `half_life`, cut off after `over`; weights go by tile."""
    return _named(Kind.DECAYED_MEAN, event, value, over, half_life=half_life, default=default)


def distinct(event: str, value: str, over: int) -> Feature:
    """Approximate number of distinct values of a field in the window (HyperLogLog)."""
    return _named(Kind.DISTINCT, event, value, over)


def ratio(above: Feature, below: Feature, default: float = math.nan) -> Feature:
    """One feature over another; the default where the lower one is zero or unknown."""
    return Feature(
        name=f"{above.name}/{below.name}", kind=Kind.RATIO, parts=(above, below), default=default
    )


def balance(
    plus: str,
    minus: str,
    by: str,
    over: int,
    what: Literal["count", "share", "age"] = "count",
    default: float = math.nan,
) -> Feature:
    """Events of `plus` not yet answered by one of `minus`, both bucketed by the time field `by`.

    `count` is how many are outstanding, `share` their part of all `plus`, `age` their mean
    t - by in seconds. Each `plus` is answered by at most one `minus` with the same `by`.
    """
    kind = {"count": Kind.BALANCE, "share": Kind.BALANCE_SHARE, "age": Kind.BALANCE_AGE}[what]
    made = _named(kind, f"{plus}-{minus}", by, over)
    return Feature(
        name=made.name, kind=kind, event=plus, minus=minus, by=by, over=over, default=default
    )


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing that has features; `key` names the fields of requests and events that name it."""

    name: str
    key: tuple[str, ...]
    features: tuple[Feature, ...]

    def key_of(self, record: Mapping[str, Any]) -> str | None:
        """The entity's key in a record, parts joined by `|`; None where a part is missing."""
        parts = [record.get(name) for name in self.key]
        return None if any(part is None for part in parts) else "|".join(map(str, parts))


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number taken from the request as it is."""

    name: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """A number read off the calendar at the request's time field `of`, in the domain's zone."""

    name: str
    of: str
    unit: Literal["minute_of_day", "hour", "weekday", "month", "day_of_year"]


@dataclass(frozen=True, slots=True)
class Category:
    """An open vocabulary hashed into `buckets`; `of` names request fields or calendar columns."""

    of: tuple[str, ...]
    buckets: int

    @property
    def name(self) -> str:
        """Its fields joined by `*`."""
        return "*".join(self.of)
