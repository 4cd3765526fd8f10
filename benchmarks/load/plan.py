"""What the load generator is told and what it hands back, as files between two processes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

SLOT = b"{id}"
"""Where a request's id goes in a body."""


class Look(msgspec.Struct, frozen=True):
    """A planned look at the first `requests`: when so few or so many overran, the run is decided.

    An overrun is a request without a right answer inside the budget. `inside` is -1 where no
    number of overruns would do yet.
    """

    requests: int
    inside: int
    outside: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the generator; times in milliseconds or seconds as the name says.

    The first `warmup` requests are sent like all others and told apart; `requests` more are
    measured, fewer when a look decides the run. With `closed_s` the rate says nothing: every
    connection asks again as soon as it is answered, for so many seconds.
    """

    url: str
    rate: float
    warmup: int
    requests: int
    looks: tuple[Look, ...] = ()
    budget_ms: float = 50.0
    connections: int = 64
    max_connections: int = 512
    drain_s: float = 10.0
    seed: int = 0
    zipf: float = 1.0
    tag: str = "bench-"
    check: str = "headrace"
    closed_s: float = 0.0

    @property
    def total(self) -> int:
        """Requests with the warm-up."""
        return self.warmup + self.requests


class Swap(msgspec.Struct, frozen=True):
    """A version that answered for the first time: `at` seconds after the run's start."""

    at: float
    model: str
    version: int


class Facts(msgspec.Struct, kw_only=True):
    """What the generator says of itself; `cpu` is its share of one core while it sent."""

    sent: int = 0
    cpu: float = 0.0
    retried: int = 0
    opened: int = 0
    decided: int = -1
    started: int = 0
    versions: list[Swap] = msgspec.field(default_factory=list)


class Record(NamedTuple):
    """Each request offered, in order: nanoseconds after the start, -1 where it never came to it.

    `intended` by the schedule, `reached` when the generator came to it, `written` when a
    connection was free, `done` when the whole answer was there; `outcome` as in `answers.Outcome`.
    """

    intended: NDArray[np.int64]
    reached: NDArray[np.int64]
    written: NDArray[np.int64]
    done: NDArray[np.int64]
    outcome: NDArray[np.int8]

    def part(self, first: int, last: int | None = None) -> Record:
        """The requests from `first` up to `last`."""
        at = slice(first, last)
        return Record(
            self.intended[at], self.reached[at], self.written[at], self.done[at], self.outcome[at]
        )


class Target(NamedTuple):
    """A URL taken apart."""

    host: str
    port: int
    path: str
    tls: bool

    @classmethod
    def of(cls, url: str) -> Target:
        """Raises ValueError for anything but http and https with a host."""
        expected = f"{url!r} is no URL of the form http://host:port/path"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{expected}: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(expected)
        tls = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port or (443 if tls else 80), path, tls)

    @property
    def authority(self) -> str:
        """Host and port as they stand in a Host header, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def write_bodies(path: Path, bodies: list[bytes]) -> None:
    """One body a line; raises ValueError for a body without a slot or with a line break."""
    for body in bodies:
        if body.count(SLOT) != 1 or b"\n" in body:
            raise ValueError(f"a body needs {SLOT.decode()} once and no line break: {body[:80]!r}")
    path.write_bytes(b"\n".join(bodies))


def save_record(path: Path, record: Record) -> None:
    """Write the arrays to an `.npz` file."""
    np.savez(path, **record._asdict())


def load_record(path: Path) -> Record:
    """Read what `save_record` wrote."""
    with np.load(path) as arrays:
        return Record(*(arrays[name] for name in Record._fields))
