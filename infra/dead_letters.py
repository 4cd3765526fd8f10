"""Records of what could not be used, with the reason and the original bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.kafka import Raw

DETAIL = 500
"""Most characters of a detail."""


def dead_letter(
    reason: str, detail: str, flow: str, topic: str, partition: int, raw: Raw
) -> dict[str, Any]:
    """The record for the `dead-letters` topic; the same fault gives the same record."""
    return {
        "reason": reason,
        "detail": detail.encode("utf-8", "backslashreplace").decode()[:DETAIL],
        "flow": flow,
        "topic": topic,
        "partition": partition,
        "offset": raw.offset,
        "time": raw.time,
        "key": raw.key,
        "value": raw.value,
    }


def key_of(letter: Mapping[str, Any]) -> str:
    """Its Kafka key: the place where the record stood."""
    return f"{letter['topic']}/{letter['partition']}/{letter['offset']}"


def described(letter: Mapping[str, Any]) -> str:
    """One line for a person: place, reason, detail and the first bytes."""
    value = letter["value"]
    bytes_ = "no value" if value is None else f"{len(value)} bytes {value[:24].hex(' ')}"
    return f"{key_of(letter)} {letter['reason']}: {letter['detail']} [{bytes_}]"
