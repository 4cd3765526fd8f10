"""A broker and a Redis of the benchmark's own, and what it fills the log with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from infra import processes, topics
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from schemas.declare import Domain


@contextmanager
def stack(partitions: int = 1, domain: str = "visits") -> Iterator[Settings]:
    """Starts both in a folder that goes with them; gives the settings that lead there."""
    with tempfile.TemporaryDirectory(prefix="headrace-streams-") as folder:
        home = Path(folder)
        port, redis_port = processes.free_port(), processes.free_port()
        broker = processes.start_broker(port, home / "broker.log")
        store = processes.start_redis(redis_port, home, home / "redis.log")
        try:
            log = home / "broker.log"
            processes.wait_until(lambda: processes.listens(port), broker, log)
            processes.wait_until(
                lambda: processes.redis_answers(redis_port), store, home / "redis.log"
            )
            yield Settings(
                kafka=f"127.0.0.1:{port}",
                redis=f"redis://127.0.0.1:{redis_port}/0",
                home=home,
                partitions=partitions,
                domain=domain,
            )
        finally:
            processes.stop(broker)
            processes.stop(store)


def fill(settings: Settings, domain: Domain, visits: Iterable[dict[str, Any]]) -> None:
    """Writes visits to the domain's events."""
    topics.create_topics(settings, domain)
    sender = Sender(settings, domain, registry(settings))
    for record in visits:
        sender.send("events", "visit", record, record["user"], record["time"])
    sender.flush(60.0)


def empty(settings: Settings) -> None:
    """Takes everything out of Redis, so that every run begins with nothing."""
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushall()
