"""The streams benchmark: every part of it that was asked for, as one result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import facts
from benchmarks.streams import each_flow, memory, peers, scaling
from benchmarks.streams.results import STREAMS, Memory, Options, Streams, Turn


def run(options: Options, environments: Path, told: Callable[[Turn | Memory], None]) -> Streams:
    """Measures; `told` hears of every turn, `environments` holds those of the peers.

    Raises WrongOutput where a run ended with another state than the log says, RunFailed where a
    process of ours ended early.
    """
    machine = facts()
    turns: list[Turn] = []
    missing: dict[str, str] = {}
    held: list[Memory] = []
    if "peers" in options.parts:
        turns, missing = peers.run(options, environments, told)
    if "flows" in options.parts:
        turns += each_flow.run(options, told)
    if "scaling" in options.parts:
        turns += scaling.run(options, told)
    if "memory" in options.parts:
        held = memory.run(options, told)
    return Streams(
        kind=STREAMS, options=options, machine=machine, titles=peers.TITLES, turns=turns,
        memory=held, missing=missing,
    )  # fmt: skip
