"""The endpoint and flows/features beside their peers: the same work, in turns, as ratios."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.latency import failures, search
from benchmarks.latency.results import Options as LatencyOptions
from benchmarks.load import bodies as bodies_
from benchmarks.load.answers import GOOD, Outcome
from benchmarks.load.offer import offer
from benchmarks.load.plan import Plan, Record
from benchmarks.machine import Machine, facts
from benchmarks.own_stack import Prepared
from benchmarks.peers.alike import Alike
from benchmarks.peers.setup import ECHO, PEERS, Peer, PeerError, prepare, running
from benchmarks.streams import peers as streaming
from benchmarks.streams.results import Options as StreamOptions
from benchmarks.streams.results import Turn as StreamTurn
from infra.processes import StartError

OURS = Peer("headrace", "Headrace")
PEERS_KIND = "peers"
SERVERS = tuple(peer.name for peer in PEERS)
STREAMS = tuple(peer.name for peer in streaming.PEERS)
_HALVINGS = 2
_SLOWEST = 20.0  # requests a second; below, a probe takes minutes
_MOST = 200_000


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of each measurement; `rates` are those at which latency is told.

    `events` are the visits of the log that flows/features and its peers read.
    """

    peers: tuple[str, ...] = (*SERVERS, *STREAMS)
    repeats: int = 3
    seconds: float = 5.0
    rates: tuple[float, ...] = (200.0, 1000.0)
    budget_ms: float = 50.0
    connections: int = 64
    events: int = 300_000
    seed: int = 1


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One server measured once: `at` has p50 and p99 in ms by rate, None where it cannot hold it.

    `closed` is answers per second of a closed loop, `highest` the highest rate inside the budget;
    `generator` is the load generator's share of a core in the closed loop.
    """

    name: str
    repeat: int
    at: dict[str, tuple[float, float] | None]
    closed: float
    highest: float
    generator: float


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """All turns, of servers and of `streams`; ratios are of turns of the same repeat."""

    kind: str
    options: Options
    machine: Machine
    titles: dict[str, str]
    turns: list[Turn]
    missing: dict[str, str]
    streams: list[StreamTurn] = []


def begin(options: Options) -> Peers:
    """A result without turns."""
    titles = {peer.name: peer.title for peer in (OURS, ECHO, *PEERS)} | streaming.TITLES
    return Peers(
        kind=PEERS_KIND, options=options, machine=facts(), titles=titles, turns=[], missing={}
    )


def streams(
    found: Peers, environments: Path, told: Callable[[StreamTurn], None] = lambda turn: None
) -> None:
    """Adds what flows/features and its peers do; `told` hears of every turn.

    A peer that cannot run is named `missing`. Raises WrongOutput where a turn ends with wrong
    features, RunFailed where ours or a bare loop fails.
    """
    options = found.options
    given = StreamOptions(
        parts=("peers",), peers=options.peers, rounds=options.repeats, events=options.events,
        seed=options.seed,
    )  # fmt: skip

    def add(turn: StreamTurn) -> None:
        found.streams.append(turn)
        told(turn)

    found.missing.update(streaming.run(given, environments, add)[1])


def servers(
    found: Peers,
    alone: Prepared,
    environments: Path,
    told: Callable[[Turn], None] = lambda turn: None,
) -> None:
    """Adds what the endpoint and its peers do; `told` hears of every turn.

    A peer is named `missing`, with the reason, where it cannot be installed or started, gives
    other probabilities than the endpoint, or answers wrong under load.
    """
    options = found.options
    chosen = [peer for peer in PEERS if peer.name in options.peers]
    with tempfile.TemporaryDirectory(prefix="headrace-peers-") as folder:
        bench = _Bench(alone, options, environments, Path(folder))
        for repeat in range(options.repeats):
            for peer in (OURS, ECHO, *chosen):
                if peer.name in found.missing:
                    continue
                try:
                    found.turns.append(bench.turn(peer, repeat))
                    told(found.turns[-1])
                except (PeerError, StartError) as error:
                    found.missing[peer.name] = str(error)


class _Bench:
    """What all turns share."""

    def __init__(self, alone: Prepared, options: Options, environments: Path, folder: Path) -> None:
        bodies = bodies_.of_domain(alone.domain.name, count=2_000, at=str(alone.at))
        self._asked = [body for body in bodies if b":null" not in body]
        self._ours = f"{alone.settings.endpoint}/predict"
        self._options = options
        self._where = alone, environments, prepare(alone, self._asked, folder)
        self._alike = Alike(alone, self._ours)

    def turn(self, peer: Peer, repeat: int) -> Turn:
        """One server, started for this where it is not the endpoint; PeerError, StartError."""
        if peer is OURS:
            return _measured(peer, self._ours, self._asked, self._options, repeat)
        with running(peer, *self._where) as url:
            wrapped = [peer.wrap(body) for body in self._asked]
            if peer is not ECHO:
                self._alike.check(peer, url, self._asked, wrapped)
            return _measured(peer, url, wrapped, self._options, repeat)


def _measured(peer: Peer, url: str, asked: list[bytes], options: Options, repeat: int) -> Turn:
    seed = options.seed + repeat
    plan = Plan(
        url=url, rate=1.0, warmup=0, requests=_MOST, connections=options.connections, seed=seed,
        check=peer.check, closed_s=options.seconds, tag=f"peer-{repeat}-",
    )  # fmt: skip
    record, told = offer(plan, asked)
    _checked(peer, record)
    closed = np.isin(record.outcome, GOOD).sum() / max(1e-9, record.done.max() / 1e9)
    highest = 0.0 if peer is ECHO else _highest(peer, url, asked, float(closed) / 2, options, seed)
    at = {f"{rate:g}": _latency(peer, url, asked, rate, options, seed) for rate in options.rates}
    return Turn(
        name=peer.name, repeat=repeat, at=at, closed=float(closed), highest=highest,
        generator=told.cpu,
    )  # fmt: skip


def _highest(
    peer: Peer, url: str, asked: list[bytes], rate: float, options: Options, seed: int
) -> float:
    """The highest rate inside the budget, from `rate` on; 0 where a quarter of it is outside."""
    halvings = min(_HALVINGS, int(np.log2(max(1.0, rate / _SLOWEST))))
    given = LatencyOptions(
        url=url, rate=max(_SLOWEST, rate), seconds=options.seconds, warmup_s=1.0,
        budget_ms=options.budget_ms, connections=options.connections, check=peer.check,
        probe_s=(1.0, 2.0), resolution=0.1, seed=seed,
    )  # fmt: skip
    found = search.search(given, asked, halvings=halvings).search
    if found is None:
        return 0.0
    wrong = [each for probe in found.probes for each in failures.wrong(probe.outcomes)]
    if wrong:
        raise PeerError(f"{peer.name} under load: {'; '.join(wrong)}")
    return found.inside


def _latency(
    peer: Peer, url: str, asked: list[bytes], rate: float, options: Options, seed: int
) -> tuple[float, float] | None:
    """p50 and p99, None where a request in a hundred or more is not answered within a second."""
    plan = Plan(
        url=url, rate=rate, warmup=round(rate), requests=round(rate * options.seconds),
        connections=options.connections, seed=seed, check=peer.check, drain_s=2.0,
    )  # fmt: skip
    record = offer(plan, asked)[0].part(plan.warmup)
    _checked(peer, record)
    took = np.where(np.isin(record.outcome, GOOD), (record.done - record.intended) / 1e6, np.inf)
    p50, p99 = np.percentile(took, [50, 99], method="lower").tolist()
    return (p50, p99) if p99 <= 1_000 else None


def _checked(peer: Peer, record: Record) -> None:
    """Raises PeerError where an answer was wrong: a rate of wrong answers is no rate."""
    wrong = int((record.outcome == Outcome.WRONG).sum())
    if wrong:
        asked = int((record.done >= 0).sum())
        raise PeerError(f"{peer.name} under load: {wrong:,} wrong answers to {asked:,} requests")
