"""`<home>/stack.json`: what of the stack runs, so that any other command finds it.

`{"kafka", "redis", "http", "generation", "domain", "processes": [{"name", "pid", "started", "log",
"metrics"}]}`. Whoever changes it holds the lock of the home, and puts a whole new one in its place.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from infra.settings import STACK_FILE, Settings, stack_of


@dataclass(frozen=True, slots=True)
class Running:
    """A process of the stack; `started` tells it from a later one with the same pid.

    `log` is empty where it was started by hand, and writes to the shell.
    """

    name: str
    pid: int
    started: float
    log: str
    metrics: str | None = None

    def process(self) -> psutil.Process | None:
        """The process, if it still is the one that was started and has not ended."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < 1.0
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def recorded(home: Path) -> list[Running]:
    """The processes that the home's stack file names, ended ones among them."""
    return _processes(stack_of(home))


def alive(home: Path) -> list[Running]:
    """Those of them that still run."""
    return [each for each in recorded(home) if each.process()]


def write(home: Path, content: Mapping[str, Any]) -> None:
    """Puts the content in the place of what is there."""
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        _replace(home, content)


def remove(home: Path) -> None:
    """Takes the file away, if there is one."""
    if home.exists():
        with _locked(home):
            (home / STACK_FILE).unlink(missing_ok=True)


def take_place(settings: Settings, name: str, metrics: str, http: str | None = None) -> bool:
    """Enters this process for a part of the stack that has ended; `http` is the endpoint's URL.

    Changes nothing, and gives False, where no stack of this generation and domain names that part,
    or it still runs.
    """
    if not (settings.home / STACK_FILE).exists():
        return False
    with _locked(settings.home):
        stack = stack_of(settings.home)
        same = all(
            stack.get(key, value) == value
            for key, value in (("generation", settings.generation), ("domain", settings.domain))
        )
        running = {each.name: each for each in _processes(stack)}
        if not same or name not in running or running[name].process():
            return False
        own = psutil.Process()
        running[name] = Running(name, own.pid, own.create_time(), "", metrics)
        stack["processes"] = [asdict(each) for each in running.values()]
        _replace(settings.home, {**stack, "http": http} if http else stack)
        return True


def _processes(stack: Mapping[str, Any]) -> list[Running]:
    return [Running(**each) for each in stack.get("processes", [])]


def _replace(home: Path, content: Mapping[str, Any]) -> None:
    path = home / STACK_FILE
    path.with_suffix(".new").write_text(json.dumps(content, indent=1))
    path.with_suffix(".new").replace(path)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    folder = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
