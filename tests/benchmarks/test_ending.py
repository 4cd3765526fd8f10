"""A benchmark that is told to end leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from benchmarks import ending
from benchmarks.faults import run as chaos
from tests.benchmarks.left_over import left_in
from tests.benchmarks.test_latency import BODIES


def test_sigterm_takes_away_a_stack_that_is_being_started(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace", "bench", "freshness", "--out", str(tmp_path / "bench")],
        env={**environment, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not list(tmp_path.glob("headrace-bench-*/stack.json")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    assert left_in(tmp_path) == []


def test_only_the_first_signal_interrupts() -> None:
    ends = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in ends]
    cleaned = []

    def told_again_and_again() -> None:
        with ending.as_by_ctrl_c():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                for number in ends:
                    signal.raise_signal(number)
                    cleaned.append(number)

    with pytest.raises(KeyboardInterrupt):
        told_again_and_again()
    assert cleaned == [*ends]
    assert [signal.getsignal(number) for number in ends] == before


def test_an_interrupt_ends_the_load_and_mends_what_was_broken(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal is that of one step, the mending the beginning of the last."""
    begun: list[str] = []

    def interrupt() -> None:
        begun.append("broken")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    steps = [
        chaos.Step("broken", 60.0, interrupt),
        chaos.Step("mended", 60.0, lambda: begun.append("mended")),
    ]
    monkeypatch.setattr(chaos, "_WARM_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        chaos._offered(serve("constant"), BODIES, chaos.Options(rate=20), steps)
    assert begun[0] == "broken"
    assert begun[-1] == "mended"
    loads = [each for each in psutil.Process().children() if "benchmarks.load" in each.cmdline()]
    assert loads == []
