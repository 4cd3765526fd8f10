"""Holds a domain against its schemas, so that a slip is named before anything runs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

from schemas.declare import (
    Calendar,
    DeclarationError,
    Domain,
    Entity,
    Feature,
    Schema,
    Stopping,
)


def validate(domain: Domain) -> Domain:
    """The domain itself; raises DeclarationError naming the part, the found and the expected."""
    for event in domain.events:
        where = f"{domain.name}: event {event.name!r}"
        _known(where, "schema", event.name, domain.schemas)
        fields = _fields(domain.schemas[event.name])
        for name in ("time", *event.key):
            _known(where, "field", name, fields)
    for entity in domain.entities:
        _check_entity(domain, entity)
    _check_request(domain)
    _check_learners(domain)
    _check_samples(domain)
    _check_routing(domain)
    _check_drift(domain)
    _check_provisional(domain)
    return domain


def _check_entity(domain: Domain, entity: Entity) -> None:
    where = f"{domain.name}: entity {entity.name!r}"
    seen: set[str] = set()
    for feature in entity.features:
        if feature.name in seen:
            raise DeclarationError(f"{where}: feature {feature.name!r} is declared twice")
        seen.add(feature.name)
        for part in feature.parts or (feature,):
            _check_feature(domain, entity, part, f"{where}: feature {feature.name!r}")


def _check_feature(domain: Domain, entity: Entity, feature: Feature, where: str) -> None:
    events = [event.name for event in domain.events]
    if feature.over <= 0 or feature.over % 12:
        raise DeclarationError(
            f"{where}: window of {feature.over} ms; expected a positive multiple of 12 ms"
        )
    for event in filter(None, (feature.event, feature.minus)):
        _known(where, "event", event, events)
        fields = _fields(domain.schemas[event])
        for name in filter(None, (*entity.key, feature.value, feature.by)):
            _known(f"{where}: event {event!r}", "field", name, fields)


def _check_request(domain: Domain) -> None:
    where = f"{domain.name}: request"
    _known(where, "schema", "request", domain.schemas)
    fields = _fields(domain.schemas["request"])
    calendars = [column for column in domain.columns if isinstance(column, Calendar)]
    derived = [*fields, *(column.name for column in calendars)]
    needed = [("id", fields), ("at", fields)]
    needed += [(name, fields) for entity in domain.entities for name in entity.key]
    needed += [(column.of, fields) for column in calendars]
    needed += [(c.name, fields) for c in domain.columns if not isinstance(c, Calendar)]
    needed += [(name, derived) for category in domain.categories for name in category.of]
    needed += [(name, fields) for name in domain.slices]
    for name, known in needed:
        _known(where, "field", name, known)


def _check_learners(domain: Domain) -> None:
    names = [learner.name for learner in domain.learners]
    if len(set(names)) < len(names):
        raise DeclarationError(f"{domain.name}: two learners share a name: {', '.join(names)}")
    _known(f"{domain.name}: served", "learner", domain.served, names)
    if not 0 < domain.prior < 1:
        raise DeclarationError(f"{domain.name}: prior {domain.prior}; expected between 0 and 1")


def _check_routing(domain: Domain) -> None:
    where, routing = f"{domain.name}: routing", domain.routing
    for arm in routing.arms:
        _known(where, "learner", arm, [learner.name for learner in domain.learners])
    for name in routing.sticky:
        _known(f"{where}: sticky", "field", name, _fields(domain.schemas["request"]))
    if routing.by:
        _known(f"{where}: by", "slice", routing.by, domain.slices)
    for name in ("sticky_for", "half_life", "every"):
        if getattr(routing, name) <= 0:
            raise DeclarationError(f"{where}: {name} {getattr(routing, name)}; expected above 0 ms")
    if isinstance(routing.reward, Stopping):
        _check_stopping(domain, routing.reward, f"{where}: reward")


def _check_drift(domain: Domain) -> None:
    where, drift = f"{domain.name}: drift", domain.drift
    for name in ("false_alarms", "per", "reference", "block", "records", "short"):
        if getattr(drift, name) <= 0:
            raise DeclarationError(f"{where}: {name} {getattr(drift, name)}; expected above 0")
    for name in ("warm_up", "late"):
        if getattr(drift, name) < 0:
            found = getattr(drift, name)
            raise DeclarationError(f"{where}: {name} {found}; expected 0 ms or more")
    if drift.long < drift.short:
        raise DeclarationError(
            f"{where}: long {drift.long}; expected short ({drift.short}) or more"
        )
    if drift.reference < (3 * drift.long + 2) * drift.block:
        raise DeclarationError(
            f"{where}: reference {drift.reference} ms; expected three long windows and two blocks "
            f"at least, {(3 * drift.long + 2) * drift.block} ms"
        )
    for reaction in drift.reactions:
        for name in reaction.learners:
            known = [learner.name for learner in domain.learners]
            _known(f"{where}: reaction {reaction.do!r}", "learner", name, known)


def _check_stopping(domain: Domain, reward: Stopping, where: str) -> None:
    _known(where, "column", reward.amount, [column.name for column in domain.columns])
    if not 0 < reward.threshold <= 1:
        raise DeclarationError(f"{where}: threshold {reward.threshold}; expected in (0, 1]")
    if not 0 <= reward.let_through <= 1:
        raise DeclarationError(f"{where}: let_through {reward.let_through}; expected in [0, 1]")


def _check_provisional(domain: Domain) -> None:
    names = [function.name for function in domain.provisional]
    if len(set(names)) < len(names):
        raise DeclarationError(f"{domain.name}: two labelling functions share a name")
    for function in domain.provisional:
        where = f"{domain.name}: provisional label {function.name!r}"
        _known(where, "event", function.event, [event.name for event in domain.events])
        for name in (function.id, function.value):
            _known(where, "field", name, _fields(domain.schemas[function.event]))
        if not 0 < function.weight < 1:
            raise DeclarationError(f"{where}: weight {function.weight}; expected in (0, 1)")
        if function.label not in (0, 1):
            raise DeclarationError(f"{where}: label {function.label}; expected 0 or 1")
        if not math.isfinite(function.at_least) and not math.isfinite(function.at_most):
            raise DeclarationError(f"{where}: fires always; expected at_least or at_most")


def _check_samples(domain: Domain) -> None:
    names = [sample.name for sample in domain.samples]
    if len(set(names)) < len(names):
        raise DeclarationError(f"{domain.name}: two samples share a name: {', '.join(names)}")
    numbers = (*(column.name for column in domain.columns), *domain.feature_names)
    known = {"stratified": ("label", *domain.slices), "weighted": numbers}
    for sample in domain.samples:
        where = f"{domain.name}: sample {sample.name!r}"
        _known(where, "kind", sample.kind, ("uniform", "weighted", "decayed", "stratified"))
        if sample.size < 1:
            raise DeclarationError(f"{where}: size {sample.size}; expected at least 1")
        if (sample.kind == "decayed") != (sample.half_life > 0):
            raise DeclarationError(
                f"{where}: half_life goes with the kind 'decayed' and only there"
            )
        if (sample.kind in known) != bool(sample.by) or (
            sample.kind == "weighted" and len(sample.by) > 1
        ):
            raise DeclarationError(
                f"{where}: by {sample.by}; expected one column for 'weighted', any for "
                "'stratified', none for the others"
            )
        for name in sample.by:
            _known(where, "column to sample by", name, known[sample.kind])


def _fields(schema: Schema) -> list[str]:
    return [field["name"] for field in schema["fields"]]


def _known(where: str, what: str, name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(known)}"
        raise DeclarationError(f"{where}: no {what} {name!r}{hint}")
