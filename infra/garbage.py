"""How often the garbage collector looks through what a process holds."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (50_000, 20, 50)
"""Thresholds. Every batch makes thousands of objects that end with it and refer to nothing in a
circle: looking through them at the usual 700 costs a flow a seventh of its CPU."""
BRIEFLY = (2_000, 20, 50)
"""For who must answer at once: a look takes one millisecond, at `SELDOM` 24 of them."""


@contextmanager
def seldom_collected(thresholds: tuple[int, int, int] = SELDOM) -> Iterator[None]:
    """What is loaded by now is never looked at again, and what comes is looked through seldom.

    Does nothing outside the main thread: it is not for a part of a process to say.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
