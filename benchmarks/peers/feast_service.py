"""What is asked of Feast's feature server, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from benchmarks.load.answers import Checked, Outcome
from schemas import domains
from schemas.declare import Entity

SERVICE = "flights"
_ENTITIES = domains.load("flights").entities
_KEYS = {entity.name: entity.key_of for entity in _ENTITIES}
_FEATURES = sum(len(entity.features) for entity in _ENTITIES)


class Values(msgspec.Struct):
    """One column of the answer, of one row."""

    values: list[float | str | None]


class Features(msgspec.Struct):
    """The part of the answer that is checked: keys of the entities, then the features."""

    results: list[Values]


_decode = msgspec.json.Decoder(Features).decode


def question(body: bytes) -> bytes:
    """The features of a flights request; `id` is no field of Feast's, it makes bodies differ."""
    request = msgspec.json.decode(body)
    entities = {name: [key_of(request)] for name, key_of in _KEYS.items()}
    return msgspec.json.encode(
        {
            "id": request["id"],
            "feature_service": SERVICE,
            "entities": entities,
            "full_feature_names": True,
        }
    )


def check(body: bytes, request: str) -> Checked:
    """Every feature is there; whether they are right is for `Alike` to say."""
    try:
        answer = _decode(body)
    except msgspec.DecodeError:
        return Outcome.WRONG, "", 0
    whole = len(answer.results) == len(_KEYS) + _FEATURES
    return (Outcome.OK if whole else Outcome.WRONG), "", 0


def features_of(answer: dict[str, Any], entities: Sequence[Entity]) -> list[float]:
    """The features in the domain's order, NaN where unknown."""
    names = answer["metadata"]["feature_names"]
    values = {n: each["values"][0] for n, each in zip(names, answer["results"], strict=True)}
    told = [
        values[f"{entity.name}__{number}_{feature.name}"]
        for entity in entities
        for number, feature in enumerate(entity.features)
    ]
    return [math.nan if value is None else float(value) for value in told]
