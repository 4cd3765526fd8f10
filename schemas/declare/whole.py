"""A domain: everything that is particular to one use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.declare.features import Calendar, Category, Entity, Event, Numeric
from schemas.declare.learning import Label, LearnerSpec, Provisional, Publishing
from schemas.declare.loop import Drift, Routing, Sample
from schemas.declare.meaning import hash_of
from schemas.declare.units import DeclarationError, Schema

VIEWS = frozenset(
    {"examples", "scores", "models", "cards", "samples", "routes", "drift", "dead-letters"}
)
"""Streams that flows make of the others: every generation has its own."""


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
    generation: str = ""
    """Not declared: which build of the views is meant, the first where it is empty."""

    def topic(self, stream: str) -> str:
        """The Kafka topic of one of the domain's streams; of a view, that of the generation."""
        own = f".{self.generation}" if self.generation and stream in VIEWS else ""
        return f"{self.name}.{stream}{own}"

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
    def event_schemas(self) -> dict[str, Schema]:
        """The schemas of the events, by name."""
        return {event.name: self.schemas[event.name] for event in self.events}

    @property
    def learner_names(self) -> tuple[str, ...]:
        """The learners' names, as declared."""
        return tuple(learner.name for learner in self.learners)

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
            *self.category_names,
        )

    @property
    def vector_hash(self) -> str:
        """Short hash of all that decides what a number of the vector means."""
        return hash_of(self.columns, self.entities, self.categories, self.timezone)

    @property
    def category_names(self) -> tuple[str, ...]:
        """The buckets' names in the vector: the category's, or `hour.bucket` beside a column."""
        taken = {column.name for column in self.columns}
        names = (category.name for category in self.categories)
        return tuple(f"{name}.bucket" if name in taken else name for name in names)

    @property
    def horizon(self) -> int:
        """The largest window: older than this, an entity's state says nothing any more."""
        return max(f.over for e in self.entities for g in e.features for f in g.leaves)
