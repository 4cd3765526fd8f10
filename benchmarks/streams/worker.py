"""One flow of ours as a process that meters itself: NAME WORKERS [PLACE ADDRESSES].

Settings come from the environment, the domain is that of the workload.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter

import msgspec

from benchmarks.streams.measured import Told
from benchmarks.workloads import workload
from flows.run import Place, run
from infra.settings import load

_LOOK_EVERY = 0.05


def main(name: str, workers: str = "1", place: str = "", addresses: str = "") -> None:
    """Runs it to the end of the log and prints what it took."""
    settings = load()
    domain = workload(settings.domain)
    process: Place | None = (int(place), addresses.split(",")) if place else None
    before, used, began = _memory(), _cpu(), perf_counter()
    with _Watched() as held:
        run(name, settings, int(workers), process, until_end=True, domain=domain)
    seconds, cpu = perf_counter() - began, _cpu() - used
    told = Told(
        seconds=seconds,
        cpu=cpu,
        before=before,
        after=held.most,
        peak=getrusage(RUSAGE_SELF).ru_maxrss * 1024,
    )
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")


class _Watched:
    """While entered, looks at the memory: a flow that has ended has let go of some of its state."""

    def __init__(self) -> None:
        self.most = _memory()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            self.most = max(self.most, _memory())


def _memory() -> int:
    """Bytes of this process' own, in memory or swapped out: pages of files come and go."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return sum(int(fields[name].split()[0]) * 1_024 for name in ("RssAnon", "VmSwap"))


def _cpu() -> float:
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:])
