"""Coalesces requests: those that come while a round trip is under way share the next one.

A request that comes alone starts at once. Nothing waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from serving.answers import Answer

LARGEST_BATCH = 64
"""Requests of one round trip; more gain little by each request and delay the first by a lot."""

QUEUE_LIMIT = 2_048
"""Requests that wait at most, whatever their budgets."""

_SMOOTHING = 0.1

_log = logging.getLogger(__name__)


class Overloaded(RuntimeError):
    """The request cannot be answered in its budget; `retry_after` in seconds."""

    def __init__(self, why: str, retry_after: float) -> None:
        super().__init__(why)
        self.retry_after = retry_after


@dataclass(slots=True, eq=False)
class Asked:
    """A request under way. Times are seconds of the monotonic clock.

    `cached_s` is how long ago its states were read, None where they were read for it.
    """

    record: Mapping[str, Any]
    arrived: float
    deadline: float
    reply: asyncio.Future[Answer] = field(repr=False)
    started: float = 0.0
    cached_s: float | None = None


class Batcher:
    """Feeds `run` with batches, one after the other; `run` resolves the replies."""

    def __init__(
        self,
        run: Callable[[Sequence[Asked]], Awaitable[None]],
        largest: int = LARGEST_BATCH,
        limit: int = QUEUE_LIMIT,
    ) -> None:
        self._run = run
        self._largest = largest
        self._limit = limit
        self._queue: deque[Asked] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._batch_time = 0.0
        self.shed = 0

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    def submit(self, asked: Asked) -> None:
        """Queues a request; raises Overloaded when it would wait longer than its budget.

        The loop reads sockets between batches, so it may have waited for one before it was seen.
        One that comes alone is always tried: what a batch takes is only learned from batches.
        """
        wait = (1 + len(self._queue) // self._largest) * self._batch_time
        unseen = self._batch_time
        late = self._pump is not None and asked.arrived + unseen + wait > asked.deadline
        if late or len(self._queue) >= self._limit:
            self.shed += 1
            raise Overloaded(self._why(wait), wait)
        self._queue.append(asked)
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._feed())

    def _why(self, wait: float) -> str:
        told = f"{len(self._queue)} requests wait already"
        return f"{told}, an answer takes about {wait * 1e3:.1f} ms" if wait else told

    async def drain(self) -> None:
        """Waits until every queued request is answered."""
        while self._pump is not None:
            await asyncio.wait({self._pump})

    async def _feed(self) -> None:
        try:
            while self._queue:
                start = monotonic()
                batch = self._take(start)
                if batch:
                    await self._answer(batch)
                    took = monotonic() - start
                    self._batch_time += _SMOOTHING * (took - self._batch_time)
        finally:
            self._pump = None

    def _take(self, now: float) -> list[Asked]:
        """The next batch, without those whose time is over: they are told so."""
        batch: list[Asked] = []
        while self._queue and len(batch) < self._largest:
            asked = self._queue.popleft()
            asked.started = now
            if now < asked.deadline:
                batch.append(asked)
            elif not asked.reply.done():
                self.shed += 1
                waited = now - asked.arrived
                why = f"it waited {waited * 1e3:.0f} ms, its whole budget"
                asked.reply.set_exception(Overloaded(why, waited))
        return batch

    async def _answer(self, batch: list[Asked]) -> None:
        try:
            await self._run(batch)
        except Exception as fault:
            _log.exception("a batch of %d requests failed", len(batch))
            for asked in batch:
                if not asked.reply.done():
                    asked.reply.set_exception(fault)
