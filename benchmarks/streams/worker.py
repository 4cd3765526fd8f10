"""One flow of ours as a process that meters itself: NAME WORKERS [PLACE ADDRESSES].

Settings come from the environment, the domain is that of the workload.
"""

from __future__ import annotations

import sys
from resource import RUSAGE_SELF, getrusage
from time import perf_counter

import msgspec
import psutil

from benchmarks.streams.measured import Told
from benchmarks.workloads import workload
from flows.run import Place, run
from infra.settings import load


def main(name: str, workers: str = "1", place: str = "", addresses: str = "") -> None:
    """Runs it to the end of the log and prints what it took."""
    settings = load()
    domain = workload(settings.domain)
    process: Place | None = (int(place), addresses.split(",")) if place else None
    memory = psutil.Process().memory_info
    before, used, began = memory().rss, _cpu(), perf_counter()
    run(name, settings, int(workers), process, until_end=True, domain=domain)
    seconds, cpu = perf_counter() - began, _cpu() - used
    told = Told(
        seconds=seconds,
        cpu=cpu,
        before=before,
        after=memory().rss,
        peak=getrusage(RUSAGE_SELF).ru_maxrss * 1024,
    )
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")


def _cpu() -> float:
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:])
