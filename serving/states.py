"""Entities' state for batches of requests, each of which waits no longer than it can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

import redis

from infra.feature_store import EntityKey, FeatureReader
from infra.settings import Settings
from online_models.features.vector import Vectorizer
from schemas.declare import Domain
from serving.batching import Asked
from serving.breaker import Breaker
from serving.recent import RecentStates

RESERVE = 0.4
"""Share of what is left of a budget that is kept for everything after Redis."""

CACHED = "features:cached"
"""The states are those that were read for an earlier request."""

DEFAULTS = "features:default"
"""Nothing is known of an entity, because Redis did not answer in time."""

_PASSES = 3
"""Of the event loop, in which a reply of some hundred kilobytes gets from the socket to its reader;
a loop that has nothing else to do makes them in microseconds."""

Keys = list[EntityKey | None]


class Found(NamedTuple):
    """State per request and entity, in the domain's order; what is amiss with each request's."""

    blobs: Sequence[Sequence[bytes | None]]
    degraded: Sequence[tuple[str, ...]]


class States:
    """Reads states in one round trip a batch; stops asking while Redis does not answer.

    Then the answers come from states that were read a moment ago, and else from defaults.
    """

    def __init__(
        self, domain: Domain, vectorizer: Vectorizer, settings: Settings, reader: FeatureReader
    ) -> None:
        self._names = [entity.name for entity in domain.entities]
        self._keys_of = vectorizer.keys
        self._reader = reader
        self._patience = settings.redis_timeout_ms / 1_000
        self._recent = RecentStates()
        self.breaker = Breaker("Redis", reader.ping)

    async def read(self, batch: Sequence[Asked]) -> AsyncIterator[tuple[Sequence[Asked], Found]]:
        """Gives every request of the batch once: with its states, or older ones where it was late.

        A request gives up after Redis's timeout, or when it needs the rest of its budget.
        """
        wanted = [self._keys(asked) for asked in batch]
        if not self.breaker.closed:
            yield batch, self._fallback(batch, wanted)
            return
        distinct = list(dict.fromkeys(key for keys in wanted for key in keys if key))
        start = monotonic()
        read = asyncio.ensure_future(self._reader.read(distinct))
        waiting = list(range(len(batch)))
        limits = [self._limit(asked, start) for asked in batch]
        try:
            while not await _done(read, min(limits[n] for n in waiting) - monotonic()):
                now = monotonic()
                late = [n for n in waiting if limits[n] <= now]
                waiting = [n for n in waiting if limits[n] > now]
                if late:
                    part = [batch[n] for n in late]
                    yield part, self._fallback(part, [wanted[n] for n in late])
                if not waiting:
                    self._gave_up(now - start)
                    return
        finally:
            read.cancel()
        found = self._result(read, distinct)
        part = [batch[n] for n in waiting]
        if found is None:
            yield part, self._fallback(part, [wanted[n] for n in waiting])
        else:
            self._recent.put(found)
            blobs = [[key and found[key] for key in wanted[n]] for n in waiting]
            yield part, Found(blobs, [()] * len(part))

    def _fallback(self, batch: Sequence[Asked], wanted: Sequence[Keys]) -> Found:
        """States from a moment ago, defaults for entities that were not asked for lately."""
        blobs, degraded = [], []
        for asked, keys in zip(batch, wanted, strict=True):
            known, age, unknown = self._recent.get(keys)
            blobs.append(known)
            asked.cached_s = age
            cached = () if age is None else (CACHED,)
            degraded.append((*cached, DEFAULTS) if unknown or age is None else cached)
        return Found(blobs, degraded)

    def _keys(self, asked: Asked) -> Keys:
        keys = self._keys_of(asked.record)
        return [
            None if key is None else (name, key)
            for name, key in zip(self._names, keys, strict=True)
        ]

    def _limit(self, asked: Asked, now: float) -> float:
        return now + min(self._patience, (asked.deadline - now) * (1 - RESERVE))

    def _gave_up(self, waited: float) -> None:
        """A request of little patience says nothing about Redis; a full timeout does."""
        if waited >= self._patience:
            self.breaker.trip(f"nothing for {waited * 1e3:.0f} ms")

    def _result(
        self, read: asyncio.Future[list[bytes | None]], keys: list[EntityKey]
    ) -> dict[EntityKey, bytes | None] | None:
        try:
            return dict(zip(keys, read.result(), strict=True))
        except (redis.RedisError, OSError) as fault:
            self.breaker.trip(repr(fault))
            return None


async def _done(read: asyncio.Future[Any], timeout: float) -> bool:
    """Whether it is done by then. A busy loop looks at the clock before it looks at its sockets:
    what may lie there already is waited for."""
    await asyncio.wait({read}, timeout=max(timeout, 0.0))
    for _ in range(_PASSES):
        if read.done():
            break
        await asyncio.sleep(0)
    return read.done()
