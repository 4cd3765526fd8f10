"""What a process does with memory that it has freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of glibc's malloc.h."""
_KEPT, _LARGE = 16 << 20, 4 << 20


def keep_freed() -> None:
    """Keeps up to 16 MiB of it for what comes next; arrays from 4 MiB on still go back at once.

    As glibc comes, arrays of 128 KiB and more are asked of the system and given back each time. A
    batch of vectors makes a dozen, and to map their pages anew takes a third of its time. Other C
    libraries do as they do.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGE)
