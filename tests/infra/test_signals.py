"""A signal ends what asyncio runs between two of its steps, not in the middle of one."""

from __future__ import annotations

import asyncio
import gc
import signal

import pytest

from infra import signals


def _interrupt(_: signal.Signals) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_a_task_cancels_all_of_them_and_then_goes_to_who_took_it(
    number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    ended = []

    async def waits(name: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)

    async def is_hit() -> None:
        signal.raise_signal(number)
        signal.raise_signal(number)  # an impatient second one does not disturb the first
        await waits("hit")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits("other"))
            group.create_task(is_hit())

    with signals.taken(_interrupt, signal.SIGHUP), pytest.raises(KeyboardInterrupt):
        signals.run(main(), signal.SIGHUP)
    gc.collect()
    assert sorted(ended) == ["hit", "other"]
    assert caplog.messages == []


def test_a_signal_that_comes_while_the_last_step_is_made_is_not_lost() -> None:
    async def main() -> int:
        signal.raise_signal(signal.SIGTERM)
        return 1

    with signals.taken(_interrupt), pytest.raises(KeyboardInterrupt):
        signals.run(main())


def test_without_a_signal_it_is_what_asyncio_runs() -> None:
    async def main() -> int:
        return 7

    assert signals.run(main()) == 7
