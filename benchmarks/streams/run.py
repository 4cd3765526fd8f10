"""flows/features beside the same work as people write it in Bytewax, broker to Redis, in one run.

Both read the same Avro records from one partition and keep count, sum and mean of an amount per
user over a minute, ten and an hour of event time in Redis. Runs alternate; each ends with a check
of every user's features against a recomputation over the raw records.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np

from benchmarks.streams import idiomatic
from benchmarks.workloads import WINDOWS, visits, visits_domain
from flows.run import run
from infra import processes, topics
from infra.feature_store import FeatureStore
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models.features.blobs import read_blob
from online_models.features.finalise import features_at
from online_models.features.layout import layouts_of
from schemas.declare import Domain

TILES = 12
Features = dict[str, list[float]]


@dataclass(frozen=True)
class Run:
    """One timed run."""

    name: str
    events: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Events per second of wall time."""
        return self.events / self.seconds

    def line(self) -> str:
        """One line for a person."""
        each = self.cpu / self.events * 1e6
        return f"{self.name:<20} {self.rate:>9,.0f} events/s {each:>6.1f} µs CPU an event"


def expected(records: Sequence[dict[str, Any]]) -> Features:
    """Every user's features at its newest record, by the definition of tiles."""
    users: dict[str, list[tuple[int, float]]] = {}
    for record in records:
        users.setdefault(record["user"], []).append((record["time"], record["amount"]))
    return {user: _of_user(seen) for user, seen in users.items()}


def _of_user(seen: list[tuple[int, float]]) -> list[float]:
    at = seen[-1][0]
    out: list[float] = []
    for over in WINDOWS:
        tile = over // TILES
        oldest = (at - 1) // tile - TILES
        inside = [amount for time_, amount in seen if (time_ - 1) // tile > oldest]
        out += [len(inside), sum(inside), sum(inside) / len(inside)]
    return out


def of_headrace(settings: Settings, domain: Domain, newest: dict[str, int]) -> Features:
    """Every user's features from the tiles in Redis, finalised at its newest record."""
    layout = layouts_of(domain)["user"]
    blobs = FeatureStore(settings, domain).read([("user", user) for user in newest])
    rows = np.stack([read_blob(layout, blob)[0] for blob in blobs])
    values = features_at(layout, rows, np.array(list(newest.values()), np.int64))
    return dict(zip(newest, values.tolist(), strict=True))


def check(name: str, got: Features, wanted: Features) -> None:
    """Raises RuntimeError where a feature differs by more than the rounding of sums."""
    for user, values in wanted.items():
        if user not in got or not np.allclose(got[user], values, rtol=1e-6, atol=1e-3):
            raise RuntimeError(f"{name}: {user} is {got.get(user)}; expected {values}")


def timed(name: str, events: int, work: Callable[[], None]) -> Run:
    """Runs the work and takes its wall and CPU time."""
    before, start = getrusage(RUSAGE_SELF), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - start, getrusage(RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(name, events, seconds, cpu)


@contextmanager
def stack() -> Iterator[Settings]:
    """A broker and a Redis of the benchmark's own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        port, redis_port = processes.free_port(), processes.free_port()
        broker = processes.start_broker(port, home / "broker.log")
        redis = processes.start_redis(redis_port, home, home / "redis.log")
        try:
            log = home / "broker.log"
            processes.wait_until(lambda: processes.listens(port), broker, log)
            processes.wait_until(lambda: processes.answers(redis_port), redis, home / "redis.log")
            yield Settings(
                kafka=f"127.0.0.1:{port}",
                redis=f"redis://127.0.0.1:{redis_port}/0",
                home=home,
                partitions=1,
            )
        finally:
            processes.stop(broker)
            processes.stop(redis)


def fill(settings: Settings, domain: Domain, records: Sequence[dict[str, Any]]) -> None:
    """Writes the records to the domain's events."""
    topics.create_topics(settings, domain)
    sender = Sender(settings, domain, registry(settings))
    for record in records:
        sender.send("events", "visit", record, record["user"], record["time"])
    sender.flush()


def compare(events: int, rounds: int, seed: int) -> list[tuple[Run, Run]]:
    """Alternating runs of the peer and of ours, each checked."""
    domain, records = visits_domain(), list(visits(events, seed))
    wanted = expected(records)
    newest = {record["user"]: record["time"] for record in records}
    pairs = []
    with stack() as settings:
        fill(settings, domain, records)
        for number in range(rounds):
            topic = domain.topic("events")
            prefix = f"peer{number}:"
            peer = timed(
                "idiomatic Bytewax",
                events,
                partial(idiomatic.run, settings.brokers, topic, settings.redis_url, prefix),
            )
            print(peer.line(), flush=True)
            check(peer.name, idiomatic.features(settings.redis_url, prefix, newest), wanted)
            own = settings.model_copy(update={"generation": f"bench{number}"})
            ours = timed(
                "flows/features",
                events,
                partial(run, "features", own, until_end=True, domain=domain),
            )
            print(ours.line(), flush=True)
            check(ours.name, of_headrace(own, domain, newest), wanted)
            pairs.append((peer, ours))
    return pairs


def run_all(events: int, rounds: int, seed: int) -> None:
    """Runs it and says what came of it."""
    pairs = compare(events, rounds, seed)
    ratios = [ours.rate / peer.rate for peer, ours in pairs]
    cpu = [peer.cpu / ours.cpu for peer, ours in pairs]
    print(
        f"flows/features is {statistics.median(ratios):.2f} times as fast "
        f"({min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} rounds) and takes "
        f"1/{statistics.median(cpu):.2f} of the CPU; all features checked"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    run_all(options.events, options.rounds, options.seed)


if __name__ == "__main__":
    main()
