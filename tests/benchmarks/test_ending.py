"""A benchmark that is told to end leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks import ending
from benchmarks.faults import run as chaos
from benchmarks.peers import setup
from benchmarks.streams.measured import measured
from tests.benchmarks.left_over import left_in, left_of_session
from tests.benchmarks.test_latency import BODIES

Told = Callable[[list[str], Callable[[], object]], str]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def told_to_end(tmp_path: Path) -> Told:
    """Sends SIGTERM to a Python once it has `begun`; gives what it said.

    Checks that it ended as by Ctrl-C and left neither a process nor a folder.
    """

    def end(arguments: list[str], begun: Callable[[], object]) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
        with subprocess.Popen(
            [sys.executable, *arguments],
            env={**environment, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                while not begun():
                    assert process.poll() is None, process.communicate()[0]
                    time.sleep(0.02)
                process.send_signal(signal.SIGTERM)
                said, _ = process.communicate(timeout=30)
            finally:
                process.kill()
        deadline = time.monotonic() + 5
        while (left := left_of_session(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []
        assert left_in(tmp_path) == []
        assert [each for each in tmp_path.iterdir() if each.is_dir()] == []
        assert process.returncode in (130, -signal.SIGINT), said
        return said

    return end


@pytest.mark.parametrize(
    ("command", "folder"),
    [("freshness", "headrace-bench-*"), ("streams --year", "headrace-year-*")],
)
def test_sigterm_takes_away_a_stack_that_is_being_started(
    told_to_end: Told, tmp_path: Path, command: str, folder: str
) -> None:
    said = told_to_end(
        ["-m", "headrace", "bench", *command.split(), "--out", str(tmp_path / "bench")],
        lambda: list(tmp_path.glob(f"{folder}/stack.json")),
    )
    assert "Traceback" not in said


def test_sigterm_ends_the_load_on_what_was_not_started_here(
    told_to_end: Told, tmp_path: Path, serve: Callable[..., str]
) -> None:
    bodies = tmp_path / "bodies"
    bodies.write_text('{"id": "{id}"}\n')
    options = ["--url", serve("constant"), "--rate", "20", "--body-file", str(bodies)]
    said = told_to_end(
        ["-m", "headrace", "bench", "latency", *options, "--out", str(tmp_path / "bench")],
        lambda: any("benchmarks.load" in told for told in left_in(tmp_path)),
    )
    assert "Traceback" not in said


def test_sigterm_ends_work_in_other_processes(told_to_end: Told, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    work = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"
    program = textwrap.dedent(f"""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        from benchmarks import ending
        with ending.as_by_ctrl_c(), ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(exec, {work!r}).result()
    """)
    assert "KeyboardInterrupt" in told_to_end(["-c", program], begun.exists)


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


def test_an_interrupt_ends_what_is_measured_before_its_folder_goes(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    work = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"

    def interrupt() -> None:
        while not begun.exists():
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        measured([sys.executable, "-c", work], {})
    assert left_in(tmp_path) == []


def test_an_installation_that_is_killed_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    killed = "import os, tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), 9)"
    with pytest.raises(setup.PeerError, match="ended with -9"):
        setup._checked([sys.executable, "-c", killed])
    assert list(tmp_path.iterdir()) == []
