"""Runs a process that meters itself and takes what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from infra import processes
from infra.settings import Settings, child_environment

PATIENCE = 900.0
"""Seconds after which a run is given up."""

WORKER = [sys.executable, "-m", "benchmarks.streams.worker"]


class RunFailed(RuntimeError):
    """A process ended without a result; the message has the end of what it wrote."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Wall and CPU seconds; bytes of memory at the beginning, at the end, and at most."""

    seconds: float
    cpu: float
    before: int = 0
    after: int = 0
    peak: int = 0


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Told:
    """One process; raises RunFailed."""
    with _start(command, {**os.environ, **environment}) as process:
        try:
            return _finish(command, process)
        finally:
            processes.stop(process)


def flow(settings: Settings, name: str, workers: int = 1, processes_: int = 1) -> Told:
    """One flow of ours from the beginning of the log to its end; raises RunFailed.

    Of several processes: the longest time, all of the CPU.
    """
    places = ",".join(f"127.0.0.1:{processes.free_port()}" for _ in range(processes_))
    environment = child_environment(settings)
    commands = [
        [*WORKER, name, str(workers), *([str(place), places] if processes_ > 1 else [])]
        for place in range(processes_)
    ]
    started = [_start(command, environment) for command in commands]
    try:
        told = [_finish(*pair) for pair in zip(commands, started, strict=True)]
    finally:
        for process in started:
            processes.stop(process)
    return Told(
        seconds=max(each.seconds for each in told),
        cpu=sum(each.cpu for each in told),
        before=sum(each.before for each in told),
        after=sum(each.after for each in told),
        peak=sum(each.peak for each in told),
    )


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[Any]:
    return subprocess.Popen(
        processes.dying_with_parent(command),
        env=environment,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _finish(command: Sequence[str], process: subprocess.Popen[Any]) -> Told:
    what = " ".join(command[1:])
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.wait()
        raise RunFailed(f"{what} did not end within {PATIENCE:g} s") from error
    lines = [line for line in out.splitlines() if line.startswith(b"{")]
    if process.returncode or not lines:
        raise RunFailed(f"{what} ended with {process.returncode}: {err.decode()[-2_000:]}")
    try:
        return msgspec.json.decode(lines[-1], type=Told)
    except msgspec.DecodeError as error:
        raise RunFailed(f"{what} said {lines[-1]!r}: {error}") from error
