"""What a record of the right schema must hold beside, before a join or a learner may see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from flows.merge import AT_ONCE, Decode, Entry
from infra.dead_letters import dead_letter
from infra.decoding import Decoded
from infra.kafka import Raw
from schemas.declare import Domain

Batch = Callable[[str, int, Sequence[Raw]], Decoded]
"""Decodes records of one topic and partition, as `infra.decoding.Decoder.batch` does."""
Fault = Callable[[str, Mapping[str, Any]], str]
"""What is wrong with a record of that name; empty where nothing is."""
Time = Callable[[Mapping[str, Any]], int]

event_time: Time = itemgetter("time")


def checked(flow: str, batch: Batch, wrong: Fault, time: Time = event_time) -> Decode:
    """Entries at their `time`; dead letters of `flow` for what is unreadable or wrong, at once."""

    def decode(topic: str, partition: int, raws: Sequence[Raw]) -> list[Entry]:
        good, dead = batch(topic, partition, raws)
        found = {letter["offset"]: Entry(AT_ONCE, "", letter) for letter in dead}
        by_offset = {raw.offset: raw for raw in raws}
        for name, record, offset in good:
            if detail := wrong(name, record):
                raw = by_offset[offset]
                letter = dead_letter("wrong_value", detail, flow, topic, partition, raw)
                found[offset] = Entry(AT_ONCE, "", letter)
            else:
                found[offset] = Entry(time(record), name, record)
        return [found[raw.offset] for raw in raws]

    return decode


class Checks:
    """What is wrong with a prediction, label or example of a domain; empty where nothing is."""

    def __init__(self, domain: Domain) -> None:
        self._width = len(domain.vector_names)
        self._hash = domain.vector_hash

    def __call__(self, name: str, record: Mapping[str, Any]) -> str:
        """As a `Fault`."""
        if name == "prediction" and record["vector_hash"] not in {"", self._hash}:
            return (
                f"prediction.vector follows declaration {record['vector_hash']}; expected "
                f"{self._hash}: it was asked with other features"
            )
        return _fault(name, record, self._width)


def _fault(name: str, record: Mapping[str, Any], width: int) -> str:
    if name in {"prediction", "example"}:
        vector = record["vector"]
        if len(vector) != width:
            return f"{name}.vector has {len(vector)} numbers; expected {width}"
        if any(map(math.isinf, vector)):
            return f"{name}.vector has an infinite number"
    if name == "example" and (found := _example(record, width)):
        return found
    if name == "prediction" and not 0 <= record["seen"] <= 1:
        return f"prediction.seen is {record['seen']}; expected 0 to 1"
    field = {"label": "value", "example": "label"}.get(name)
    if field and record[field] not in {0.0, 1.0}:
        return f"{name}.{field} is {record[field]}; expected 0 or 1"
    return ""


def _example(record: Mapping[str, Any], width: int) -> str:
    for label in record["provisional"]:
        if found := _provisional(label, width):
            return f"example.provisional of {label['id']!r}: {found}"
    for told in record["corrections"]:
        if told["label"] not in {0.0, 1.0}:
            return f"example.corrections of {told['id']!r}: label {told['label']}; expected 0 or 1"
    if not 0 < record["seen"] <= 1:
        return f"example.seen is {record['seen']}; expected above 0, at most 1"
    return ""


def _provisional(label: Mapping[str, Any], width: int) -> str:
    if len(label["vector"]) != width or any(map(math.isinf, label["vector"])):
        return f"vector of {len(label['vector'])} numbers; expected {width}, none of them infinite"
    if label["label"] not in {0.0, 1.0} or not 0 < label["weight"] < 1:
        return f"label {label['label']}, weight {label['weight']}; expected 0 or 1, and in (0, 1)"
    return ""
