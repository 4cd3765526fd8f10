"""What a process does when it is told to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

TO_END = (signal.SIGINT, signal.SIGTERM)


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
