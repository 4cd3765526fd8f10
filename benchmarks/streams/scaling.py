"""flows/features with one worker, two threads, and two processes, on four partitions."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.streams import measured, visited
from benchmarks.streams.peers import OURS
from benchmarks.streams.results import Options, Turn
from benchmarks.streams.stack import empty, fill, stack
from benchmarks.workloads import visits, visits_domain

PARTITIONS = 4
WORKERS = {"1": (1, 1), "2 threads": (2, 1), "2 processes": (1, 2)}
"""Threads of a process, and processes, by the name in the result."""


def run(options: Options, told: Callable[[Turn], None]) -> list[Turn]:
    """Alternating turns of each number of workers; raises WrongOutput."""
    records, domain = list(visits(options.events, options.seed)), visits_domain()
    newest = {record["user"]: record["time"] for record in records}
    wanted = visited.expected(records)
    turns = []
    with stack(PARTITIONS) as settings:
        fill(settings, domain, records)
        for number in range(options.rounds):
            for name, (threads, processes) in WORKERS.items():
                empty(settings)
                own = settings.model_copy(
                    update={"generation": f"scaling{number}-{threads}-{processes}"}
                )
                took = measured.flow(own, OURS, threads, processes)
                got = visited.of_headrace(own, domain, newest)
                visited.check(f"{OURS} with {name}", got, wanted)
                turn = Turn(
                    part="scaling", name=OURS, workload="visits", round=number, workers=name,
                    records=len(records), seconds=took.seconds, cpu=took.cpu,
                )  # fmt: skip
                turns.append(turn)
                told(turn)
    return turns
