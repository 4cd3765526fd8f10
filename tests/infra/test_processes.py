"""A process that gives way to the others of its machine."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from infra import processes

GIVES_WAY = "import time; from infra.processes import give_way; give_way({}); time.sleep(60)"


@pytest.mark.parametrize("nice", [0, 7])
def test_a_process_is_as_nice_as_it_was_told_and_so_is_its_session(
    nice: int, tmp_path: Path
) -> None:
    started = processes.start([sys.executable, "-c", GIVES_WAY.format(nice)], tmp_path / "log")
    try:
        running = psutil.Process(started.pid)
        group = Path(f"/proc/{started.pid}/autogroup")

        def told() -> bool:
            grouped = not group.exists() or group.read_text().split()[-1] == str(nice)
            return running.nice() == nice and grouped

        processes.wait_until(told, started, tmp_path / "log")
    finally:
        processes.stop(started)
