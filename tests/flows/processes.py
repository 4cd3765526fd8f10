"""Flows as real processes that can be killed at any moment."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from typing import Any

from flows.run import run
from flows.tail import Tail
from infra.settings import Settings
from schemas.declare import Domain

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.flows.processes", "flows.run"])


def slowly(name: str, settings: Settings, domain: Domain, workers: int, started: Any) -> None:
    """Runs a flow to the end of the log in small, slow batches and short epochs."""
    take = Tail.take

    def slow(self: Tail, limit: int) -> Any:
        time.sleep(0.002)
        return take(self, limit)

    Tail.take = slow  # type: ignore[method-assign]
    started.set()
    epoch = timedelta(milliseconds=40)
    run(name, settings, workers, until_end=True, domain=domain, epoch=epoch, batch=25)


@contextmanager
def started(
    name: str, settings: Settings, domain: Domain, workers: int = 1
) -> Iterator[BaseProcess]:
    """The flow as a process, which is gone afterwards."""
    event = _FORKS.Event()
    process = _FORKS.Process(target=slowly, args=(name, settings, domain, workers, event))
    process.start()
    try:
        assert event.wait(60)
        yield process
    finally:
        process.kill()
        process.join()


def survive(
    name: str, settings: Settings, domain: Domain, kills: int, seed: int, workers: int = 1
) -> int:
    """Runs a flow to the end, killed `kills` times on the way; gives how often it really was."""
    draw = random.Random(seed)
    killed = 0
    for _ in range(kills):
        with started(name, settings, domain, workers) as process:
            process.join(draw.uniform(0.05, 0.8))
            if process.exitcode is not None:
                assert process.exitcode == 0
                return killed
        killed += 1
    with started(name, settings, domain, workers) as process:
        process.join(180)
        assert process.exitcode == 0
    return killed


def live(name: str, settings: Settings, domain: Domain) -> None:
    """Runs a flow as it stands in a stack, in short epochs."""
    run(name, settings, domain=domain, epoch=timedelta(milliseconds=200))


class Storm:
    """While it is entered, a flow runs and is killed at random moments, and started again.

    What is done under it may end soon: it rages on until it has killed `kills` times.
    """

    def __init__(
        self, name: str, settings: Settings, domain: Domain, seed: int, kills: int
    ) -> None:
        self.killed = 0
        self._kills = kills
        self._flow = (name, settings, domain)
        self._draw = random.Random(f"{name}{seed}")
        self._over = threading.Event()
        self._fault = ""
        self._thread = threading.Thread(target=self._rage)

    def __enter__(self) -> Storm:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def finish(self) -> None:
        """After the storm: once more, undisturbed, to the end of the log."""
        assert not self._fault, self._fault
        name, settings, domain = self._flow
        with _of(run, name, settings, 1, None, True, True, domain) as process:
            process.join(120)
            assert process.exitcode == 0

    def _rage(self) -> None:
        while self.killed < self._kills or not self._over.is_set():
            with _of(live, *self._flow) as process:
                process.join(self._draw.uniform(0.3, 4.0))
                if process.exitcode is not None:
                    self._fault = f"{self._flow[0]} ended by itself with {process.exitcode}"
                    return
            self.killed += 1


@contextmanager
def _of(work: Any, *args: Any) -> Iterator[BaseProcess]:
    """A process, which is killed where it has not ended."""
    process = _FORKS.Process(target=work, args=args)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
