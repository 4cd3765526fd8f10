"""How a benchmark ends that is told to."""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import AbstractContextManager

from infra import signals

_SIGNALS = (*signals.TO_END, signal.SIGHUP)


def as_by_ctrl_c() -> AbstractContextManager[None]:
    """Any signal to end raises KeyboardInterrupt while entered, so that what is open is cleaned up.

    Only the first does: more do not disturb the cleaning up. Processes of multiprocessing are
    killed: a terminal sends Ctrl-C to them too, SIGTERM comes to this process alone.
    """

    def end(_: signal.Signals) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        for child in multiprocessing.active_children():
            child.kill()
        raise KeyboardInterrupt

    return signals.taken(end, signal.SIGHUP)
