"""Refuses features that contradict each other, their windows or the schemas of their events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from online_models.features.rings import TILES
from schemas.declare import DeclarationError, Entity, Feature, Kind, Schema

_COUNTED = {"string", "int", "long", "boolean", "bytes", "enum"}
_NUMBERS = {"int", "long", "float", "double", "boolean"}


def leaves_of(features: Iterable[Feature]) -> list[Feature]:
    """The features that read state: ratios are replaced by their parts."""
    return [
        leaf
        for feature in features
        for leaf in (leaves_of(feature.parts) if feature.kind is Kind.RATIO else [feature])
    ]


def check(entity: Entity, schemas: Mapping[str, Schema]) -> None:
    """Raises DeclarationError where an entity's features do not fit each other or the schemas."""
    names = [feature.name for feature in entity.features]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(f"{entity.name}: feature {name!r} is declared twice")
    for feature in leaves_of(entity.features):
        _check_feature(f"{entity.name}.{feature.name}", entity, feature, schemas)


def _check_feature(
    place: str, entity: Entity, feature: Feature, schemas: Mapping[str, Schema]
) -> None:
    if feature.kind in (Kind.LAST, Kind.SINCE):
        if feature.by != "time":
            raise DeclarationError(f"{place}: goes by time, not by {feature.by!r}")
    elif feature.over <= 0 or feature.over % TILES:
        raise DeclarationError(
            f"{place}: a window of {feature.over} ms; it must be a positive multiple of {TILES} ms"
        )
    if feature.kind is Kind.DECAYED_MEAN and not (feature.half_life or 0) > 0:
        raise DeclarationError(f"{place}: half-life {feature.half_life}; it must be positive")
    if feature.event == feature.minus:
        raise DeclarationError(f"{place}: balances {feature.event!r} against itself")
    for event in filter(None, (feature.event, feature.minus)):
        for field in ("time", feature.by):
            _check_field(place, schemas, event, field, {"long"}, nullable=False)
        for field in entity.key:
            _check_field(place, schemas, event, field, None)
    if feature.value is not None:
        wanted = _COUNTED if feature.kind is Kind.DISTINCT else _NUMBERS
        _check_field(place, schemas, feature.event, feature.value, wanted)


def _check_field(
    place: str,
    schemas: Mapping[str, Schema],
    event: str,
    field: str,
    wanted: set[str] | None,
    nullable: bool = True,
) -> None:
    if event not in schemas:
        raise DeclarationError(f"{place}: no schema of an event {event!r}")
    fields = {each["name"]: each["type"] for each in schemas[event]["fields"]}
    if field not in fields:
        raise DeclarationError(f"{place}: {event} has no field {field!r}; it has {list(fields)}")
    found = _types(fields[field])
    if not nullable and "null" in found:
        raise DeclarationError(f"{place}: field {field!r} of {event} may not be null")
    if wanted is not None and not found - {"null"} <= wanted:
        raise DeclarationError(
            f"{place}: field {field!r} of {event} is {sorted(found)}, not one of {sorted(wanted)}"
        )


def _types(declared: object) -> set[str]:
    if isinstance(declared, list):
        return set[str]().union(*(_types(each) for each in declared))
    return _types(declared["type"]) if isinstance(declared, Mapping) else {str(declared)}
