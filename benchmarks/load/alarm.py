"""An alarm that rings at a nanosecond of the monotonic clock, for an event loop to wait on.

Event loops keep their own timers in whole milliseconds (libuv, epoll), which is too coarse to pace
thousands of requests a second; Linux's timerfd (man timerfd_create) rings within microseconds.
"""

from __future__ import annotations

import ctypes
import os
import sys

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Moment), ("value", _Moment))


class Alarm:
    """One alarm on the clock of `time.perf_counter_ns`; its descriptor is readable once it rings.

    Setting it again silences it. Raises OSError where there is no timerfd (only Linux has it).
    """

    def __init__(self) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError(f"the load generator needs Linux's timerfd; this is {sys.platform}")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._libc.timerfd_create(
            _CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC
        )
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Setting()
        self._pointer = ctypes.byref(self._setting)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._descriptor

    def set(self, at: int) -> None:
        """Ring at `at` nanoseconds; a time that has passed rings at once."""
        moment = self._setting.value
        moment.seconds, moment.nanoseconds = divmod(at, 1_000_000_000)
        if self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, self._pointer, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Free the descriptor."""
        os.close(self._descriptor)
