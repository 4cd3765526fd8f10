"""The closed loop: as many questions as a server can answer, and no more."""

from __future__ import annotations

import time

from benchmarks.load.connection import Connection
from benchmarks.load.generator import Load

_now = time.perf_counter_ns


class ClosedLoad(Load):
    """Every connection asks again as soon as it is answered, for `plan.closed_s` seconds.

    It shows the most that a server can do, and nothing of its latency: a slow answer puts off the
    next question.
    """

    def _begin(self) -> None:
        self.facts.started = time.time_ns() // 1_000_000
        self.start = _now()
        self.cpu = time.process_time(), time.perf_counter()
        self.loop.call_later(self.plan.closed_s, self._over)
        for connection in [self.free.popleft() for _ in range(len(self.free))]:
            self.free_connection(connection)

    def free_connection(self, connection: Connection) -> None:
        """Ask the next question at once."""
        if not self.start:
            self.free.append(connection)
        elif self.next < self.end:
            self.next += 1
            moment = _now()
            self.schedule[self.next - 1] = moment - self.start
            self.reached[self.next - 1] = moment
            self._send(connection, self.next - 1)

    def _over(self) -> None:
        """The time is up; or all requests were used before, and the rate is of these."""
        used, since = self.cpu
        self.facts.cpu = (time.process_time() - used) / (time.perf_counter() - since)
        self.end = self.next
        self.loop.call_later(self.plan.drain_s, self.finished.set)
        self._finish_when_settled()
