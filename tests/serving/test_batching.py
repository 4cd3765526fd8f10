"""Requests share round trips, never wait alone, and are shed when their time cannot be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import cast

import pytest

from serving.answers import Answer
from serving.batching import Asked, Batcher, Overloaded


class Slow:
    """Answers each batch after `seconds`, and remembers the batches' sizes."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.sizes: list[int] = []

    async def __call__(self, batch: Sequence[Asked]) -> None:
        self.sizes.append(len(batch))
        await asyncio.sleep(self.seconds)
        for asked in batch:
            asked.reply.set_result(cast(Answer, len(batch)))


def _asked(budget: float = 10.0) -> Asked:
    now = monotonic()
    reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    return Asked({}, now, now + budget, reply)


def _submit(batcher: Batcher, asked: Asked) -> None:
    batcher.admit(asked.arrived, asked.deadline)
    batcher.submit(asked)


def test_one_alone_starts_at_once() -> None:
    async def run() -> None:
        slow = Slow(0)
        asked = _asked()
        _submit(Batcher(slow), asked)
        await asyncio.sleep(0)
        assert slow.sizes == [1]
        await asked.reply

    asyncio.run(run())


def test_those_that_come_during_a_round_trip_share_the_next() -> None:
    async def run() -> None:
        slow = Slow(0.02)
        batcher = Batcher(slow)
        first, others = _asked(), [_asked() for _ in range(5)]
        _submit(batcher, first)
        await asyncio.sleep(0.005)
        for asked in others:
            _submit(batcher, asked)
        await asyncio.gather(first.reply, *(asked.reply for asked in others))
        assert slow.sizes == [1, 5]

    asyncio.run(run())


def test_a_batch_is_bounded_and_order_is_kept() -> None:
    async def run() -> None:
        slow = Slow(0)
        batcher = Batcher(slow, largest=4)
        all_asked = [_asked() for _ in range(10)]
        for asked in all_asked:
            _submit(batcher, asked)
        await batcher.drain()
        assert slow.sizes == [4, 4, 2]
        assert all(asked.reply.done() for asked in all_asked)

    asyncio.run(run())


def test_a_full_queue_sheds_at_once() -> None:
    async def run() -> None:
        batcher = Batcher(Slow(0), limit=3)
        for _ in range(3):
            _submit(batcher, _asked())
        with pytest.raises(Overloaded, match="3 requests wait"):
            _submit(batcher, _asked())
        assert batcher.shed == 1
        await batcher.drain()

    asyncio.run(run())


def test_one_that_would_wait_longer_than_its_budget_is_shed_at_once() -> None:
    async def run() -> None:
        batcher = Batcher(Slow(0.02), largest=1)
        for _ in range(30):
            asked = _asked()
            _submit(batcher, asked)
            await asked.reply
        for _ in range(10):
            _submit(batcher, _asked())
        with pytest.raises(Overloaded) as shed:
            _submit(batcher, _asked(budget=0.1))
        assert shed.value.retry_after > 0.1
        _submit(batcher, _asked(budget=5.0))
        await batcher.drain()

    asyncio.run(run())


def test_after_a_stall_one_that_comes_alone_is_answered_and_so_are_all_again() -> None:
    async def run() -> None:
        slow = Slow(0.2)
        batcher = Batcher(slow, largest=1)
        for _ in range(8):
            stalled = _asked()
            _submit(batcher, stalled)
            await stalled.reply
        slow.seconds = 0
        for _ in range(30):
            alone = _asked(budget=0.05)
            _submit(batcher, alone)
            await alone.reply
        both = [_asked(budget=0.05) for _ in range(2)]
        for asked in both:
            _submit(batcher, asked)
        await asyncio.gather(*(asked.reply for asked in both))
        assert batcher.shed == 0

    asyncio.run(run())


def test_one_whose_time_ran_out_in_the_queue_is_not_worked_on() -> None:
    async def run() -> None:
        slow = Slow(0.05)
        batcher = Batcher(slow, largest=1)
        first, late = _asked(), _asked(budget=0.01)
        _submit(batcher, first)
        _submit(batcher, late)
        with pytest.raises(Overloaded, match="its whole budget"):
            await late.reply
        await batcher.drain()
        assert slow.sizes == [1]

    asyncio.run(run())


def test_a_failing_batch_fails_its_requests_and_no_others() -> None:
    async def fail_once(batch: Sequence[Asked]) -> None:
        if "bad" in batch[0].record:
            raise RuntimeError("broken")
        for asked in batch:
            asked.reply.set_result(cast(Answer, 1))

    async def run() -> None:
        batcher = Batcher(fail_once, largest=1)
        bad, good = _asked(), _asked()
        bad.record = {"bad": True}
        _submit(batcher, bad)
        _submit(batcher, good)
        with pytest.raises(RuntimeError, match="broken"):
            await bad.reply
        assert cast(int, await good.reply) == 1

    asyncio.run(run())
