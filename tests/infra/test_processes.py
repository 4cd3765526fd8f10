"""A process that gives way to the others of its machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra import processes

GIVES_WAY = "import time; from infra.processes import give_way; give_way({}); time.sleep(60)"

AT_A_TERMINAL = """
import fcntl, sys, termios, time
from pathlib import Path
from infra import processes
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
command = [sys.executable, "-c", "import time; time.sleep(60)"]
print(processes.start(command, Path(sys.argv[1]), die_with_parent=False).pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("nice", [0, 7, processes.FURTHEST])
def test_a_process_gives_way_as_far_as_it_was_told(nice: int, tmp_path: Path) -> None:
    started = processes.start([sys.executable, "-c", GIVES_WAY.format(nice)], tmp_path / "log")
    try:
        running = psutil.Process(started.pid)
        processes.wait_until(lambda: running.nice() == nice, started, tmp_path / "log")
        if hasattr(os, "SCHED_IDLE"):
            policy = os.SCHED_IDLE if nice == processes.FURTHEST else os.SCHED_OTHER

            def so() -> bool:
                return os.sched_getscheduler(started.pid) == policy

            processes.wait_until(so, started, tmp_path / "log")
    finally:
        processes.stop(started)


def test_what_is_started_is_weighed_beside_who_started_it_and_gets_no_ctrl_c(
    tmp_path: Path,
) -> None:
    """Of the processes of different sessions Linux weighs the sessions."""
    started = processes.start([sys.executable, "-c", GIVES_WAY.format(0)], tmp_path / "log")
    try:
        assert os.getsid(started.pid) == os.getsid(0)
        assert os.getpgid(started.pid) == started.pid
    finally:
        processes.stop(started)


def test_what_is_started_outlives_the_terminal_that_it_was_started_in(tmp_path: Path) -> None:
    terminal, end = os.openpty()
    command = [sys.executable, "-c", AT_A_TERMINAL, str(tmp_path / "log")]
    with subprocess.Popen(
        command, stdin=end, stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        os.close(end)
        assert leader.stdout is not None
        started = psutil.Process(int(leader.stdout.readline()))
        try:
            os.close(terminal)
            assert leader.wait(10) == -signal.SIGHUP
            time.sleep(0.2)
            assert started.is_running()
            assert started.status() != psutil.STATUS_ZOMBIE
        finally:
            started.kill()
