from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.latency import run as latency
from benchmarks.latency.confidence import plan_looks
from benchmarks.latency.results import Options, Run
from benchmarks.load.answers import Outcome
from benchmarks.load.plan import Facts, Plan, Record

SERVERS = Path(__file__).parent / "servers.py"

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server of a kind of `servers.py` and gives its URL; all end with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(kind: str, value: float = 0.0) -> str:
        command = [sys.executable, str(SERVERS), kind, str(value)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        if process.stdout is None:
            raise RuntimeError("no pipe")
        return f"http://127.0.0.1:{int(process.stdout.readline())}/predict"

    yield start
    for process in started:
        process.communicate()
        if process.returncode:
            raise RuntimeError(f"a server ended with {process.returncode}")


@pytest.fixture
def summarised() -> Callable[..., Run]:
    """A run at 1,000/s summarised from how long requests took and how late they were sent, ms.

    Those of `shed` got a 503.
    """

    def make(took: Any, late: Any = 0.0, seed: int = 0, shed: Any = False) -> Run:
        intended = (np.arange(1, len(took) + 1) * 1e6).astype(np.int64)
        reached = intended + (np.zeros(len(took)) + late * 1e6).astype(np.int64)
        done = intended + (np.asarray(took) * 1e6).astype(np.int64)
        outcome = np.where(np.broadcast_to(shed, len(took)), Outcome.SHED, Outcome.OK)
        record = Record(intended, reached, reached, done, outcome.astype(np.int8))
        looks = plan_looks([len(took)], 0.99, 0.99)
        plan = Plan(
            url="http://x/", rate=1000, warmup=0, requests=len(took), looks=looks, seed=seed
        )
        return latency.summarise(Options(), plan, record, Facts(cpu=0.1), {}, 0.1)

    return make
