"""Processes that a command left behind."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil


def left_in(folder: Path) -> list[str]:
    """Command lines of the processes that work in a folder or on it."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        told = f"{process.info['cmdline']} {(process.info['environ'] or {}).get('HEADRACE_HOME')}"
        if str(folder) in told and process.pid != os.getpid():
            found.append(told)
    return found


def left_of_session(leader: int) -> list[int]:
    """Processes that were started, at any remove, by the leader of a session."""
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):
            if os.getsid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
