"""An entity's features at a moment, from its state in Redis, for a person to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from infra.feature_store import FeatureStore
from infra.records import milliseconds
from infra.settings import Settings, domain_of
from online_models.features.blobs import read_blob
from online_models.features.finalise import features_at
from online_models.features.layout import EntityLayout
from online_models.features.rings import SLOTS
from schemas import nearest
from schemas.declare import TILES, Domain, Entity, Feature, Kind


class NothingKnownError(LookupError):
    """There is no such entity, or no state of it; names what there is."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Values of an entity's features at time `at`; `newest` is its newest event's time.

    `forgotten` names the features whose window at `at` is no longer kept, or only in part.
    """

    at: int
    newest: int
    values: dict[str, float]
    forgotten: tuple[str, ...] = ()


def show(settings: Settings, entity: str, key: str, at: str | None = None) -> Shown:
    """Finalises the stored state at `at` (ISO 8601 or ms), at its newest event when left out."""
    domain = domain_of(settings)
    kind = _kind(domain, entity)
    moment = _moment(at)
    store = FeatureStore(settings, domain)
    try:
        [blob] = store.read([(kind.name, key)])
    finally:
        store.close()
    if blob is None:
        raise NothingKnownError(
            f"{entity} {key!r} has no state in generation {settings.generation}; "
            f"its key is {'|'.join(kind.key)}"
        )
    layout = EntityLayout(kind)
    row, _, newest = read_blob(layout, blob)
    t = moment if moment is not None else newest or 0
    found = features_at(layout, row[np.newaxis], np.array([t], np.int64))[0]
    names = (feature.name for feature in kind.features)
    values = dict(zip(names, map(float, found), strict=True))
    return Shown(t, newest or 0, values, _forgotten(kind, t, newest or 0))


def _forgotten(kind: Entity, t: int, newest: int) -> tuple[str, ...]:
    """Features that look further back than their rings of tiles reach from the newest event.

    Also those of which only the newest value is kept, where that is after `t`.
    """
    return tuple(
        feature.name
        for feature in kind.features
        if any(_cut(leaf, t, newest) for leaf in feature.leaves)
    )


def _cut(feature: Feature, t: int, newest: int) -> bool:
    if feature.kind in (Kind.LAST, Kind.SINCE):
        return t < newest
    tile = feature.over // TILES
    return -(-newest // tile) - SLOTS > -(-t // tile) - TILES


def _kind(domain: Domain, name: str) -> Entity:
    known = [entity.name for entity in domain.entities]
    if name not in known:
        near = nearest.hint(name, known)
        raise NothingKnownError(f"no entity {name!r}; known: {', '.join(known)}{near}")
    return domain.entity(name)


def _moment(at: str | None) -> int | None:
    try:
        return None if at is None else int(milliseconds("--at", at))
    except ValueError as fault:
        raise NothingKnownError(str(fault)) from None
