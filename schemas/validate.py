"""Holds a domain against its schemas, so that a slip is named before anything runs."""

from __future__ import annotations

import math

from schemas.checks import above, at_least, distinct, fields_of, finite, known
from schemas.declare import (
    Calendar,
    DeclarationError,
    Domain,
    Entity,
    Feature,
    Kind,
)
from schemas.validate_learning import check_label, check_learners
from schemas.validate_loop import check_drift, check_routing, check_samples


def validate(domain: Domain) -> Domain:
    """The domain itself; raises DeclarationError naming the part, the found and the expected."""
    for event in domain.events:
        where = f"{domain.name}: event {event.name!r}"
        known(where, "schema", event.name, domain.schemas)
        fields = fields_of(domain.schemas[event.name])
        for name in ("time", *event.key):
            known(where, "field", name, fields)
    for entity in domain.entities:
        _check_entity(domain, entity)
    _check_request(domain)
    check_label(domain)
    check_learners(domain)
    _check_prior(domain)
    finite(domain.name, "earliest", domain.earliest)
    check_samples(domain)
    check_routing(domain)
    check_drift(domain)
    _check_provisional(domain)
    return domain


def _check_entity(domain: Domain, entity: Entity) -> None:
    where = f"{domain.name}: entity {entity.name!r}"
    seen: set[str] = set()
    for feature in entity.features:
        if feature.name in seen:
            raise DeclarationError(f"{where}: feature {feature.name!r} is declared twice")
        seen.add(feature.name)
        if not math.isnan(feature.default):
            finite(f"{where}: feature {feature.name!r}", "default", feature.default)
        for part in feature.parts or (feature,):
            _check_feature(domain, entity, part, f"{where}: feature {feature.name!r}")


def _check_feature(domain: Domain, entity: Entity, feature: Feature, where: str) -> None:
    events = [event.name for event in domain.events]
    if feature.over <= 0 or feature.over % 12:
        raise DeclarationError(
            f"{where}: window of {feature.over} ms; expected a positive multiple of 12 ms"
        )
    if feature.kind is Kind.DECAYED_MEAN:
        above(where, "half_life", feature.half_life, " ms")
    for event in filter(None, (feature.event, feature.minus)):
        known(where, "event", event, events)
        fields = fields_of(domain.schemas[event])
        for name in filter(None, (*entity.key, feature.value, feature.by)):
            known(f"{where}: event {event!r}", "field", name, fields)


def _check_request(domain: Domain) -> None:
    where = f"{domain.name}: request"
    known(where, "schema", "request", domain.schemas)
    fields = fields_of(domain.schemas["request"])
    calendars = [column for column in domain.columns if isinstance(column, Calendar)]
    derived = [*fields, *(column.name for column in calendars)]
    needed = [("id", fields), ("at", fields)]
    needed += [(name, fields) for entity in domain.entities for name in entity.key]
    needed += [(column.of, fields) for column in calendars]
    needed += [(c.name, fields) for c in domain.columns if not isinstance(c, Calendar)]
    needed += [(name, derived) for category in domain.categories for name in category.of]
    needed += [(name, fields) for name in domain.slices]
    for name, there in needed:
        known(where, "field", name, there)
    for category in domain.categories:
        at_least(f"{domain.name}: category {category.name!r}", "buckets", category.buckets, 1)


def _check_prior(domain: Domain) -> None:
    if not 0 < domain.prior < 1:
        raise DeclarationError(f"{domain.name}: prior {domain.prior}; expected between 0 and 1")


def _check_provisional(domain: Domain) -> None:
    names = [label.name for label in domain.provisional]
    distinct(domain.name, "provisional labels", names)
    for label in domain.provisional:
        where = f"{domain.name}: provisional label {label.name!r}"
        known(where, "event", label.event, [event.name for event in domain.events])
        for name in (label.id, label.value):
            known(where, "field", name, fields_of(domain.schemas[label.event]))
        if not 0 < label.weight < 1:
            raise DeclarationError(f"{where}: weight {label.weight}; expected in (0, 1)")
        if label.label not in (0, 1):
            raise DeclarationError(f"{where}: label {label.label}; expected 0 or 1")
        low, high = label.at_least, label.at_most
        if not low <= high:
            raise DeclarationError(
                f"{where}: never fires, at_least {low} and at_most {high}; expected no NaN, and "
                "at_least not above at_most"
            )
        if not math.isfinite(low) and not math.isfinite(high):
            raise DeclarationError(f"{where}: fires always; expected at_least or at_most")
