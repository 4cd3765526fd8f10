"""The result of the streams benchmark as it stands in JSON."""

from __future__ import annotations

import msgspec

from benchmarks.machine import Machine

STREAMS = "streams"
PARTS = ("peers", "flows", "scaling", "memory")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. `events` are the visits of the log, `days` those of the flights;
    `entities` are the numbers of users whose memory is taken."""

    parts: tuple[str, ...] = PARTS
    peers: tuple[str, ...] = ("bytewax", "quix", "faust")
    rounds: int = 3
    events: int = 300_000
    days: float = 14.0
    entities: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    seed: int = 7


def quick(options: Options) -> Options:
    """The same in a short form: one turn, less of everything."""
    return msgspec.structs.replace(
        options,
        rounds=1,
        events=min(options.events, 40_000),
        days=min(options.days, 3.0),
        entities=options.entities[:1],
    )


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One measured run, its output checked: wall and CPU seconds of `records` of a workload.

    `workers` says how many there were and of what kind.
    """

    part: str
    name: str
    workload: str
    round: int
    records: int
    seconds: float
    cpu: float
    workers: str = "1"

    @property
    def rate(self) -> float:
        """Records per second of wall time."""
        return self.records / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a record."""
        return self.cpu / self.records * 1e6


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a flow and Redis hold for so many entities; bytes. `raw` is a float64 a tile and lane.

    `flow` is what the process of the flow grew by, `peak` the most that it ever held beyond its
    beginning.
    """

    entities: int
    raw: int
    flow: int
    peak: int
    redis: int


class Streams(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured; peers that could not run are named `missing`, with the reason."""

    kind: str
    options: Options
    machine: Machine
    titles: dict[str, str]
    turns: list[Turn]
    memory: list[Memory]
    missing: dict[str, str]


class WrongOutput(RuntimeError):
    """A run ended with another state than the log says; names the run and the first difference."""
