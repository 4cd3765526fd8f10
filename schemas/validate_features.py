"""Holds the features of a domain's entities against each other and the schemas of their events."""

from __future__ import annotations

import math

from schemas.checks import above, fields_of, finite, known, typed
from schemas.declare import TILES, DeclarationError, Domain, Entity, Feature, Kind

_COUNTED = ("string", "int", "long", "boolean", "bytes", "enum")
_NUMBERS = ("int", "long", "float", "double", "boolean")


def check_entity(domain: Domain, entity: Entity) -> None:
    """The features of an entity: their names, windows, events and fields."""
    where = f"{domain.name}: entity {entity.name!r}"
    seen: set[str] = set()
    for feature in entity.features:
        if feature.name in seen:
            raise DeclarationError(f"{where}: feature {feature.name!r} is declared twice")
        seen.add(feature.name)
        place = f"{where}: feature {feature.name!r}"
        if not math.isnan(feature.default):
            finite(place, "default", feature.default)
        for leaf in feature.leaves:
            _check_window(leaf, place)
            _check_events(domain, entity, leaf, place)


def _check_window(feature: Feature, where: str) -> None:
    if feature.kind in (Kind.LAST, Kind.SINCE):
        above(where, "within", feature.over, " ms")
        if feature.by != "time":
            raise DeclarationError(f"{where}: by {feature.by!r}; expected 'time'")
    elif feature.over <= 0 or feature.over % TILES:
        raise DeclarationError(
            f"{where}: window of {feature.over} ms; expected a positive multiple of {TILES} ms"
        )
    if feature.kind is Kind.DECAYED_MEAN:
        above(where, "half_life", feature.half_life, " ms")


def _check_events(domain: Domain, entity: Entity, feature: Feature, where: str) -> None:
    if feature.event == feature.minus:
        raise DeclarationError(f"{where}: {feature.event!r} minus itself; expected another event")
    for event in filter(None, (feature.event, feature.minus)):
        known(where, "event", event, [event.name for event in domain.events])
        place, schema = f"{where}: event {event!r}", domain.schemas[event]
        for name in entity.key:
            known(place, "field", name, fields_of(schema))
        typed(place, schema, feature.by, ["long"], nullable=False)
    if feature.value is not None:
        types = _COUNTED if feature.kind is Kind.DISTINCT else _NUMBERS
        typed(
            f"{where}: event {feature.event!r}", domain.schemas[feature.event], feature.value, types
        )
