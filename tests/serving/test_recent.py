"""States of a moment ago stand in while Redis does not answer, and say how old they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

import pytest

from infra.feature_store import EntityKey
from infra.settings import Settings
from online_models.features.vector import Vectorizer
from schemas.declare import Domain
from serving import recent
from serving.answers import Answer
from serving.batching import Asked
from serving.recent import RecentStates
from serving.requests import Requests
from serving.states import CACHED, DEFAULTS, Found, States

A, B, C = ("origin", "A"), ("origin", "B"), ("origin", "C")


class Redis:
    """Answers with the key as state, or hangs."""

    def __init__(self) -> None:
        self.hangs = False

    async def read(self, keys: Sequence[EntityKey]) -> list[bytes | None]:
        if self.hangs:
            await asyncio.sleep(60)
        return [f"{entity}:{key}".encode() for entity, key in keys]

    async def ping(self) -> None:
        if self.hangs:
            await asyncio.sleep(60)


def test_the_newest_state_is_given_and_the_age_of_the_oldest() -> None:
    states = RecentStates()
    states.put({A: b"1", B: None})
    states.put({A: b"2"})
    blobs, age, unknown = states.get([A, B, C, None])
    assert blobs == [b"2", None, None, None]
    assert age is not None
    assert 0 <= age < 1
    assert unknown == 1


def test_what_was_not_read_for_long_is_dropped() -> None:
    states = RecentStates(kept=2)
    for name in "abcdef":
        states.put({("origin", name): name.encode()})
    kept = [states.get([("origin", name)])[0][0] for name in "abcdef"]
    assert kept == [None, None, b"c", b"d", b"e", b"f"] or kept[:2] == [None, None]
    assert kept[-1] == b"f"


def test_an_old_state_is_no_moment_old(monkeypatch: pytest.MonkeyPatch) -> None:
    states = RecentStates()
    states.put({A: b"1"})
    monkeypatch.setattr(recent, "OLDEST", -1.0)
    assert states.get([A]) == ([None], None, 1)


def test_a_request_falls_back_to_what_another_read(domain: Domain, settings: Settings) -> None:
    fake = Redis()
    vectorizer = Vectorizer(domain)
    example = Requests(domain).example_record()
    other = {**example, "origin": "XXX"}

    async def found(*records: dict[str, Any]) -> tuple[list[Asked], Found]:
        reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        now = monotonic()
        batch = [Asked(record, now, now + 0.05, reply) for record in records]
        parts = [part async for part in states.read(batch)]
        assert len(parts) == 1
        return batch, parts[0][1]

    async def run() -> None:
        _, fresh = await found(example)
        fake.hangs = True
        batch, stale = await found(example, other)
        assert fresh.degraded == [()]
        assert stale.blobs[0] == fresh.blobs[0]
        assert list(stale.degraded) == [(CACHED,), (CACHED, DEFAULTS)]
        assert all(asked.cached_s is not None and asked.cached_s < 1 for asked in batch)
        assert not states.breaker.closed
        fake.hangs = False
        while not states.breaker.closed:
            await asyncio.sleep(0.02)
        _, again = await found(example)
        assert again.degraded == [()]
        await states.breaker.close()

    states = States(domain, vectorizer, settings, fake)  # type: ignore[arg-type]
    asyncio.run(run())
