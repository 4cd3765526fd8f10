"""What the features flow and Redis hold for so many users, each of whom came once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import redis

from benchmarks.streams import measured, visited
from benchmarks.streams.peers import OURS
from benchmarks.streams.results import Memory, Options
from benchmarks.streams.stack import fill, stack
from benchmarks.workloads import visits, visits_domain
from infra.settings import Settings
from online_models.features.layout import layouts_of
from online_models.features.rings import SLOTS

_CHECKED = 1_000
_BASE = 1_000
"""Users of a first run: what the process has once it works, whatever it holds."""


def run(options: Options, told: Callable[[Memory], None]) -> list[Memory]:
    """One run for each number of users; raises WrongOutput where a user's features are wrong."""
    base = _run(_BASE, options.seed)[0].after
    found = []
    for number in options.entities:
        took, held = _run(number, options.seed)
        [layout] = layouts_of(visits_domain()).values()
        found.append(
            Memory(
                entities=number,
                raw=number * len(layout.lanes) * SLOTS * 8,
                flow=took.after - base,
                peak=took.peak - base,
                redis=held,
            )
        )
        told(found[-1])
    return found


def _run(users: int, seed: int) -> tuple[measured.Told, int]:
    """What the flow told, and the bytes that Redis grew by."""
    with stack() as settings, redis.Redis.from_url(settings.redis_url) as client:
        fill(settings, visits_domain(), _strangers(users, seed))
        before = client.info("memory")["used_memory"]
        took = measured.flow(settings, OURS)
        held = client.info("memory")["used_memory"] - before
        _check(settings, users, seed)
    return took, held


def _strangers(users: int, seed: int) -> Iterator[dict[str, Any]]:
    """A visit of every user, within an hour."""
    per_second = max(20.0, users / 3_000)
    for place, visit in enumerate(visits(users, seed, per_second)):
        yield {**visit, "user": f"user-{place}"}


def _check(settings: Settings, users: int, seed: int) -> None:
    step = max(1, users // _CHECKED)
    some = [v for place, v in enumerate(_strangers(users, seed)) if place % step == 0]
    newest = {visit["user"]: visit["time"] for visit in some}
    got = visited.of_headrace(settings, visits_domain(), newest)
    visited.check(f"{OURS} of {users} users", got, visited.expected(some))
