"""Holds a domain against its schemas, so that a slip is named before anything runs."""

from __future__ import annotations

import math

from schemas.checks import at_least, distinct, fields_of, finite, known, typed
from schemas.declare import Calendar, DeclarationError, Domain
from schemas.validate_features import check_entity
from schemas.validate_learning import check_label, check_learners
from schemas.validate_loop import check_drift, check_routing, check_samples


def validate(domain: Domain) -> Domain:
    """The domain itself; raises DeclarationError naming the part, the found and the expected."""
    for event in domain.events:
        where = f"{domain.name}: event {event.name!r}"
        known(where, "schema", event.name, domain.schemas)
        schema = domain.schemas[event.name]
        typed(where, schema, "time", ["long"], nullable=False)
        for name in event.key:
            known(where, "field", name, fields_of(schema))
    for entity in domain.entities:
        check_entity(domain, entity)
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
    distinct(domain.name, "parts of the vector", domain.vector_names)
    for category in domain.categories:
        at_least(f"{domain.name}: category {category.name!r}", "buckets", category.buckets, 2)


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
