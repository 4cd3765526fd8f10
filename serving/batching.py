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

LARGEST_BATCH = 32
"""Requests of one round trip; more gain little by each request and delay the first by a lot."""

QUEUE_LIMIT = 2_048
"""Requests that wait at most, whatever their budgets."""

QUEUE_SHARE = 0.5
"""Of a budget, what may be foreseen to pass in the queue and the batch. The rest is for what cannot
be foreseen: the network, the client, whatever else wants the processor. Where more is asked than
can be answered, a longer queue answers no more requests, only later ones."""

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

    def is_over(self, now: float) -> bool:
        """Whether its time is over; then it is told so."""
        if now < self.deadline:
            return False
        if not self.reply.done():
            took = now - self.arrived
            why = f"it took {took * 1e3:.0f} ms, its whole budget"
            self.reply.set_exception(Overloaded(why, took))
        return True


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

    @property
    def busy(self) -> bool:
        """Whether it works on a batch."""
        return self._pump is not None

    def admit(self, arrived: float, deadline: float) -> None:
        """Raises Overloaded for a request that would wait too long, before any work is done on it.

        That is longer than `QUEUE_SHARE` of its budget. One that comes alone is always tried: what
        a batch takes is only learned from batches.
        """
        wait = (1 + len(self._queue) // self._largest) * self._batch_time
        latest = arrived + (deadline - arrived) * QUEUE_SHARE
        late = self._pump is not None and monotonic() + wait > latest
        if late or len(self._queue) >= self._limit:
            self.shed += 1
            raise Overloaded(self._why(wait), wait)

    def submit(self, asked: Asked) -> None:
        """Queues a request that was admitted."""
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
            if not asked.is_over(now):
                batch.append(asked)
        return batch

    async def _answer(self, batch: list[Asked]) -> None:
        try:
            await self._run(batch)
        except Exception as fault:
            _log.exception("a batch of %d requests failed", len(batch))
            for asked in batch:
                if not asked.reply.done():
                    asked.reply.set_exception(fault)
