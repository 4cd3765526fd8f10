"""A service for who can wait, and the questions that are put to it without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from infra.event_files import BadRow
from infra.settings import Settings
from serving.requests import BadRequest, Requests
from serving.service import Service

PATIENCE_MS = 5_000.0
"""How long one row may wait for Redis, before it is answered from defaults and says so."""
_BUDGET_S = 60.0


class NotReady(RuntimeError):
    """Redis, the models or the log are not there; says which."""


class Question(NamedTuple):
    """A request and the place where it stood."""

    place: str
    record: Mapping[str, Any]


def patient(settings: Settings) -> Settings:
    """Settings for who can wait: an answer from defaults only where Redis is really away."""
    wait = max(PATIENCE_MS, settings.redis_timeout_ms)
    return settings.model_copy(update={"budget_ms": _BUDGET_S * 1_000, "redis_timeout_ms": wait})


async def started(service: Service, timeout: float) -> None:
    """Starts a service and waits until it lacks nothing; raises NotReady."""
    await service.start()
    deadline = monotonic() + timeout
    while reasons := service.reasons():
        if monotonic() > deadline:
            await service.stop()
            raise NotReady("; ".join(reasons))
        await asyncio.sleep(0.02)


def checked(requests: Requests, question: Question) -> Question | BadRow:
    """The question as the endpoint would read it, or why it would refuse it."""
    try:
        body = msgspec.json.encode(question.record)
        return Question(question.place, requests.parse(body))
    except BadRequest as fault:
        return BadRow(question.place, fault.told())
