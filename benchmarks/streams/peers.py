"""flows/features beside the same work as people write it elsewhere, and beside bare loops."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.peers import setup
from benchmarks.streams import measured, visited
from benchmarks.streams.results import Options, Turn
from benchmarks.streams.stack import empty, fill, stack
from benchmarks.workloads import VISIT, WINDOWS, visits, visits_domain
from infra.settings import Settings

OURS = "features"


@dataclass(frozen=True, slots=True)
class Peer:
    """A program in `benchmarks/peers/<folder>/stream.py` that does the same work.

    `form` says how its features stand in Redis, None where it leaves none; of the records it is
    given one in `thinned`, where all would take minutes.
    """

    name: str
    title: str
    folder: str
    form: str | None = "hash"
    own_environment: bool = False
    thinned: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


def _loop(step: str, title: str, form: str | None = None) -> Peer:
    return Peer(f"loop-{step}", title, "loop", form, environment={"STEP": step})


LOOPS = (
    _loop("consume", "bare loop: consume"),
    _loop("decode", "bare loop: consume, decode"),
    _loop("windows", "bare loop: consume, decode, windows", "packed"),
    _loop("sink", "bare loop: the same, newest of a batch by MSET", "packed"),
)
PEERS = (
    Peer("bytewax", "Bytewax, idiomatic", "bytewax"),
    Peer("quix", "Quix Streams, state in RocksDB", "quix", "json", True, 2),
    Peer("faust", "Faust, Table", "faust", thinned=30),
)
TITLES = {OURS: "flows/features", **{each.name: each.title for each in (*LOOPS, *PEERS)}}


@dataclass(frozen=True, slots=True)
class _Work:
    """The log, and what must be in Redis at its end or after the first so many records."""

    settings: Settings
    records: Sequence[dict[str, Any]]
    folder: Path
    environments: Path

    def wanted(self, number: int) -> visited.Features:
        return visited.expected(self.records[:number])


def run(
    options: Options, environments: Path, told: Callable[[Turn], None]
) -> tuple[list[Turn], dict[str, str]]:
    """Alternating turns of all of them; a peer that cannot run is left out, with the reason.

    Raises WrongOutput where a run ends with wrong features, RunFailed where ours or a loop fails.
    """
    records = list(visits(options.events, options.seed))
    domain = visits_domain()
    turns: list[Turn] = []
    missing: dict[str, str] = {}
    chosen = [peer for peer in PEERS if peer.name in options.peers]
    with stack() as settings, tempfile.TemporaryDirectory() as folder:
        fill(settings, domain, records)
        work = _Work(settings, records, Path(folder), environments)
        for number in range(options.rounds):
            turns.append(_ours(work, number))
            told(turns[-1])
            for peer in (*LOOPS, *chosen):
                if peer.name in missing:
                    continue
                try:
                    turns.append(_turn(work, peer, number))
                    told(turns[-1])
                except (setup.PeerError, measured.RunFailed) as error:
                    if peer in LOOPS:
                        raise
                    missing[peer.name] = str(error)
    return turns, missing


def _ours(work: _Work, number: int) -> Turn:
    empty(work.settings)
    own = work.settings.model_copy(update={"generation": f"peers{number}"})
    took = measured.flow(own, OURS)
    newest = {record["user"]: record["time"] for record in work.records}
    got = visited.of_headrace(own, visits_domain(), newest)
    visited.check(OURS, got, work.wanted(len(work.records)))
    return _made(OURS, number, len(work.records), took)


def _turn(work: _Work, peer: Peer, number: int) -> Turn:
    empty(work.settings)
    records, prefix = max(1, len(work.records) // peer.thinned), f"{peer.name}{number}:"
    spec = {
        "brokers": work.settings.brokers,
        "topic": visits_domain().topic("events"),
        "redis": work.settings.redis_url,
        "prefix": prefix,
        "events": records,
        "schema": _plain(),
        "windows": WINDOWS,
    }
    path = work.folder / f"{peer.name}.json"
    path.write_bytes(msgspec.json.encode(spec))
    home = setup.Peer(peer.folder, peer.title, own_environment=peer.own_environment)
    python = setup.interpreter(home, work.environments)
    command = [str(python), str(setup.FOLDER / peer.folder / "stream.py")]
    took = measured.measured(command, {**peer.environment, "SPEC": str(path)})
    if peer.form:
        wanted = work.wanted(records)
        got = visited.of_peer(work.settings.redis_url, prefix, wanted, peer.form)
        visited.check(peer.name, got, wanted)
    return _made(peer.name, number, records, took)


def _plain() -> dict[str, Any]:
    """The schema without logical types: times stay whole milliseconds."""
    fields = [
        {**each, "type": "long"} if each["name"] == "time" else each for each in VISIT["fields"]
    ]
    return {**VISIT, "fields": fields}


def _made(name: str, number: int, records: int, took: measured.Told) -> Turn:
    return Turn(
        part="peers", name=name, workload="visits", round=number, records=records,
        seconds=took.seconds, cpu=took.cpu,
    )  # fmt: skip
