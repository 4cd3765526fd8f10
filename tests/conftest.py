"""A real broker and a real Redis for the session; a domain of its own for every test."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import processes
from infra.settings import Settings
from schemas import domains
from schemas.declare import Domain

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real broker, kept for the session."""
    log = tmp_path_factory.mktemp("broker") / "broker.log"
    port = processes.free_port()
    process = processes.start_broker(port, log)
    try:
        processes.wait_until(lambda: processes.listens(port), process, log)
        yield f"127.0.0.1:{port}"
    finally:
        _kill(process)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Redis, kept for the session."""
    folder = tmp_path_factory.mktemp("redis")
    port = processes.free_port()
    process = processes.start_redis(port, folder, folder / "redis.log")
    try:
        processes.wait_until(lambda: processes.redis_answers(port), process, folder / "redis.log")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        _kill(process)


@pytest.fixture
def domain() -> Domain:
    """Flights under a name that no other test uses, so that topics and keys are its own."""
    return dataclasses.replace(
        domains.load("flights"), name=f"flights{os.getpid()}x{next(_NUMBERS)}"
    )


@pytest.fixture
def settings(broker: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings for the real broker and Redis, with a home and a generation of the test's own."""
    generation = f"t{os.getpid()}x{next(_NUMBERS)}"
    return Settings(kafka=broker, redis=redis_url, home=tmp_path / "home", generation=generation)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
