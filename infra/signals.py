"""What a process does when it is told to end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

TO_END = (signal.SIGINT, signal.SIGTERM)

T = TypeVar("T")


@contextmanager
def taken(act: Callable[[signal.Signals], None], *more: signal.Signals) -> Iterator[None]:
    """`act` instead of dying of SIGINT, SIGTERM or one of `more`, as long as it is entered.

    Does nothing outside the main thread, which alone may take signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        act(signal.Signals(number))

    before = {number: signal.signal(number, handle) for number in (*TO_END, *more)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(main: Coroutine[Any, Any, T], *more: signal.Signals) -> T:
    """`asyncio.run`, but SIGINT, SIGTERM or one of `more` cancels all tasks, and is handed on to
    who took it before once they are over.

    A handler that raises would do so in the middle of whatever task runs, which asyncio takes for
    the task's own error and tells with a traceback.
    """
    heard: list[signal.Signals] = []
    try:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()

            def cancel() -> None:
                for task in asyncio.all_tasks(loop):
                    task.cancel()

            def end(number: signal.Signals) -> None:
                heard.append(number)
                if len(heard) == 1:
                    loop.call_soon_threadsafe(cancel)

            with taken(end, *more):
                return runner.run(main)
    finally:
        if heard:
            signal.raise_signal(heard[0])
