"""The words in which a domain is declared: events, entities, features, request, label, learners.

A domain is one folder beside this file: its `.avsc` files and a `domain.py` whose `DOMAIN` is a
`Domain`. Nothing here computes anything; `online_models` gives the declarations their meaning.
Times and spans are whole milliseconds, times since the epoch in UTC.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Schema = Mapping[str, Any]
"""An Avro schema as parsed JSON, as it stands in its `.avsc` file."""


class DeclarationError(ValueError):
    """A domain contradicts itself; the message names the part, the found and the expected."""


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


class Unlabelled(StrEnum):
    """What it means that no label came by the deadline."""

    DROP = "drop"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class Label:
    """How long after a prediction its label counts, and what silence means."""

    deadline: int
    missing: Unlabelled


@dataclass(frozen=True, slots=True)
class Provisional:
    """A labelling function: what an event foretells of a label that has not come yet.

    An `event` whose number `value` is `at_least` or `at_most` so much foretells that the
    prediction named by its field `id` gets this `label`. It is learned at once with `weight`, in
    (0, 1), and the true label with the rest.
    """

    name: str
    event: str
    id: str
    value: str
    label: float
    weight: float
    at_least: float = -math.inf
    at_most: float = math.inf


@dataclass(frozen=True, slots=True)
class LearnerSpec:
    """A model that learns: `kind` is a name in `online_models.learners`, `columns` what it sees."""

    name: str
    kind: str
    columns: Literal["all", "static"] = "all"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publishing:
    """When a learner publishes a snapshot: after so many examples or so much event time."""

    examples: int
    time: int


@dataclass(frozen=True, slots=True)
class LogScore:
    """The reward of an answer is minus its log loss."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """What is probable enough is stopped: a positive's `amount` is saved, a negative costs `cost`.

    `amount` is a numeric column; stopped is what has a probability of `threshold` or more. The
    outcome of what was stopped never comes to light, so the share `let_through` of it passes all
    the same, by lot, and stands for the rest.
    """

    amount: str
    cost: float
    threshold: float
    let_through: float = 0.0


@dataclass(frozen=True, slots=True)
class Routing:
    """Which arm answers: the policy to begin with, and what arms earn.

    `policy` and its `options` are those of `online_models.routes.policies`; `arms` are learners,
    all of them when left out, and `served` first. A key of the `sticky` request fields keeps its
    arm for `sticky_for`. `feedback` says what earns: `shadow`, every arm by its score of every
    example, or `served`, only the arm that answered. What was earned weighs half after
    `half_life`; shares are renewed `every` so often. Spans in ms of event time.
    """

    policy: str = "fixed"
    arms: tuple[str, ...] = ()
    options: Mapping[str, float] = field(default_factory=dict)
    by: str = ""
    sticky: tuple[str, ...] = ()
    sticky_for: int = DAY
    reward: LogScore | Stopping = LogScore()
    feedback: Literal["shadow", "served"] = "shadow"
    half_life: int = 14 * DAY
    every: int = HOUR


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of the examples, in bounded space, kept by `flows/sampling`.

    `uniform`: `size` of all alike. `weighted`: by the value of the column `by`, above 0. `decayed`:
    the chance halves with every `half_life` (ms) of event time. `stratified`: up to `size` of each
    combination of what `by` names ("label" or slices), so that the rare keep their share; a
    combination that comes after the first 64 goes to the stratum "other". `publishing` says when
    a snapshot goes to the log; early ones come sooner.
    """

    name: str
    kind: Literal["uniform", "weighted", "decayed", "stratified"]
    size: int
    by: tuple[str, ...] = ()
    half_life: int = 0
    publishing: Publishing = Publishing(examples=1_000, time=DAY)


@dataclass(frozen=True, slots=True)
class React:
    """What a learner does when its own loss drifts: a word of `online_models.learners.Reaction`.

    `to` are the kinds of drift, `learners` those that do it, all of them when left out. `explore`
    is for the router: it tries all arms more often while the loss of what was served has risen.
    """

    do: Literal["raise_rate", "reset", "retrain", "explore"]
    to: tuple[Literal["covariate", "label", "concept"], ...] = ("label", "concept")
    learners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """How the stream is watched: at most `false_alarms` are expected `per` so much event time.

    That is the budget of all features, scores, labels, errors, windows and tests together; every
    threshold follows from it. The reference is what comes in the `reference` after the first
    `warm_up`; it should be long beside the time for which days resemble each other, for thresholds
    are learned from how much its parts differ. A window is `short` or `long` many blocks: one
    series of blocks of `block` event time, which wait `late` for late records, one of so many
    `records`. Spans in ms.
    """

    false_alarms: float = 1.0
    per: int = 30 * DAY
    warm_up: int = 7 * DAY
    reference: int = 28 * DAY
    block: int = DAY
    records: int = 250
    short: int = 1
    long: int = 7
    late: int = HOUR
    reactions: tuple[React, ...] = ()


@dataclass(frozen=True, slots=True)
class Domain:
    """Everything that is particular to one use; see `schemas/flights/domain.py` for a whole one."""

    name: str
    title: str
    positive: str
    events: tuple[Event, ...]
    entities: tuple[Entity, ...]
    columns: tuple[Numeric | Calendar, ...]
    categories: tuple[Category, ...]
    label: Label
    learners: tuple[LearnerSpec, ...]
    served: str
    prior: float
    publishing: Publishing
    schemas: Mapping[str, Schema]
    earliest: int
    timezone: str = "UTC"
    slices: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    routing: Routing = Routing()
    drift: Drift = Drift()
    provisional: tuple[Provisional, ...] = ()

    def topic(self, stream: str) -> str:
        """The Kafka topic of one of the domain's streams."""
        return f"{self.name}.{stream}"

    def event(self, name: str) -> Event:
        """The event of that name."""
        for event in self.events:
            if event.name == name:
                return event
        known = ", ".join(event.name for event in self.events)
        raise DeclarationError(f"{self.name}: no event {name!r}; it has {known}")

    def entity(self, name: str) -> Entity:
        """The entity of that name."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        known = ", ".join(entity.name for entity in self.entities)
        raise DeclarationError(f"{self.name}: no entity {name!r}; it has {known}")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """`entity.feature`, in the order of the vector."""
        return tuple(f"{e.name}.{f.name}" for e in self.entities for f in e.features)

    @property
    def vector_names(self) -> tuple[str, ...]:
        """The vector: columns, features, then one hashed bucket number a category."""
        return (
            *(column.name for column in self.columns),
            *self.feature_names,
            *(category.name for category in self.categories),
        )

    @property
    def horizon(self) -> int:
        """The largest window: older than this, an entity's state says nothing any more."""
        return max(f.over for e in self.entities for g in e.features for f in (g, *g.parts))


def load_schemas(folder: Path) -> dict[str, Schema]:
    """Every `.avsc` of a folder by its record name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.avsc"))}
