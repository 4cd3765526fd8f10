"""The load generator's open loop.

Each request is sent at its moment of the schedule whatever became of those before; where no
connection is free, more are opened, and a request that has to wait for one keeps its intended time:
nothing the server does slows the schedule (no coordinated omission: Gil Tene, "How NOT to measure
latency"). Numbers of one request are plain stores into arrays; statistics come afterwards.
"""

from __future__ import annotations

import asyncio
import gc
import time
from array import array
from collections import deque

import numpy as np

from benchmarks.load import answers, arrivals
from benchmarks.load.alarm import Alarm
from benchmarks.load.connection import IDLE, Connection
from benchmarks.load.plan import SLOT, Facts, Plan, Record, Swap, Target
from benchmarks.load.reach import PATIENCE_S, reach, reason

_now = time.perf_counter_ns


class Load:
    """One run: the schedule, the connections and what became of every request."""

    def __init__(self, plan: Plan, bodies: list[bytes]) -> None:
        self.plan = plan
        self.target = Target.of(plan.url)
        self.facts = Facts()
        self.check = answers.find(plan.check)
        self.parts = [_request(self.target, body, len(_id(plan, 0))) for body in bodies]
        self.choice: list[int] = arrivals.zipf(
            len(bodies), plan.total, plan.seed, plan.zipf
        ).tolist()
        self.schedule = arrivals.poisson(plan.rate, plan.total, plan.seed)
        self.reached, self.written, self.done = (_blank("q", plan.total) for _ in range(3))
        self.outcome = array("b", bytes(plan.total))
        self.end = plan.total
        self.next = self.settled = self.connecting = 0
        self.free: deque[Connection] = deque()
        self.open: set[Connection] = set()
        self.waiting: deque[int] = deque()
        self.versions: set[tuple[str, int]] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.start = 0
        self.intended: list[int] = []
        self.alarm = Alarm()
        self.loop = asyncio.get_running_loop()
        self.finished = asyncio.Event()
        self.closing = False
        self.failure: OSError | None = None

    async def run(self) -> Record:
        """Offer the whole schedule, then wait for what is still under way."""
        self.connecting = self.plan.connections
        await self._connect(2 * PATIENCE_S)
        if self.open:
            others = range(self.plan.connections - 1)
            await asyncio.gather(*(self._connect(2 * PATIENCE_S) for _ in others))
        if not self.open:
            why = reason(self.target, self.failure)
            raise ConnectionError(f"no connection to {self.plan.url}: {why}")
        gc.collect()
        gc.freeze()
        gc.disable()
        self._begin()
        await self.finished.wait()
        self.closing = True
        self.facts.sent = self.end
        for connection in list(self.open):
            connection.transport.abort()
        self.alarm.close()
        return self._record()

    def _begin(self) -> None:
        lead = 10_000_000  # set up before the first request is due
        self.facts.started = time.time_ns() // 1_000_000
        self.start = _now() + lead
        self.intended = (self.schedule + self.start).tolist()
        self.loop.add_reader(self.alarm.fileno(), self._due)
        for look in self.plan.looks:
            last = self.schedule[min(self.plan.warmup + look.requests, self.plan.total) - 1]
            delay = (int(last) + lead) / 1e9 + self.plan.budget_ms / 1e3
            self.loop.call_later(delay, self._look, look.requests, look.inside, look.outside)
        self.cpu = time.process_time(), time.perf_counter()
        self.alarm.set(self.intended[0])

    def _due(self) -> None:
        """Send what is due; only what was due on entry, so that answers are read in between."""
        upto = _now()
        index = self.next
        while index < self.end and self.intended[index] <= upto:
            self.reached[index] = _now()
            if self.free:
                self._send(self.free.popleft(), index)
            else:
                self.waiting.append(index)
                self._grow()
            index += 1
        self.next = index
        if index < self.end:
            self.alarm.set(self.intended[index])
        else:
            self._sent_all()

    def _sent_all(self) -> None:
        self.loop.remove_reader(self.alarm.fileno())
        used, since = self.cpu
        wall = time.perf_counter() - since
        self.facts.cpu = (time.process_time() - used) / wall
        self.loop.call_later(self.plan.drain_s, self.finished.set)
        self._finish_when_settled()

    def _send(self, connection: Connection, index: int) -> None:
        before, after = self.parts[self.choice[index]]
        self.written[index] = _now()
        connection.send(index, b"%s%s%s" % (before, _id(self.plan, index), after))

    def answered(self, index: int, status: int, body: bytes) -> None:
        """Keep when and how a request ended."""
        self.done[index] = _now()
        if 200 <= status < 300:
            outcome, model, version = self.check(body, _id(self.plan, index).decode())
            if (model, version) not in self.versions and outcome in answers.GOOD:
                self.versions.add((model, version))
                at = (self.done[index] - self.start) / 1e9
                self.facts.versions.append(Swap(at, model, version))
        else:
            outcome = answers.outcome_of_status(status)
        self._settle(index, outcome)

    def _settle(self, index: int, outcome: answers.Outcome) -> None:
        self.outcome[index] = outcome
        self.settled += 1
        self._finish_when_settled()

    def _finish_when_settled(self) -> None:
        if self.next >= self.end and self.settled >= self.end:
            self.finished.set()

    def new_connection(self, connection: Connection) -> None:
        """It is open now."""
        self.connecting -= 1
        self.facts.opened += 1
        self.open.add(connection)
        self.free_connection(connection)

    def free_connection(self, connection: Connection) -> None:
        """Give it what waits longest, or keep it."""
        if self.waiting:
            self._send(connection, self.waiting.popleft())
        else:
            self.free.append(connection)

    def lost_connection(self, connection: Connection) -> None:
        """Open another; its request is tried once more if the server may just have timed it out.

        That is: nothing of the answer had come on a connection that had been idle for a second
        (RFC 9112, section 9.3.1). The request keeps its intended time.
        """
        self.open.discard(connection)
        index = connection.request
        if self.closing:
            return
        if index == IDLE:
            if connection in self.free:
                self.free.remove(connection)
        elif connection.rested:
            self.facts.retried += 1
            self.waiting.appendleft(index)
        else:
            self.done[index] = _now()
            self._settle(index, answers.Outcome.BROKEN)
        if self.waiting or len(self.open) + self.connecting < self.plan.connections:
            self._grow()

    def _grow(self) -> None:
        if len(self.open) + self.connecting < self.plan.max_connections:
            self.connecting += 1
            task = self.loop.create_task(self._connect())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _connect(self, within_s: float | None = None) -> None:
        """Open a connection that `connecting` counts already."""
        try:
            await reach(self.target, lambda: Connection(self), within_s)
        except OSError as error:
            self.failure = self.failure or error
            self.connecting -= 1
            self._refused()

    def _refused(self) -> None:
        if self.waiting and self.start:
            index = self.waiting.popleft()
            self.done[index] = _now()
            self._settle(index, answers.Outcome.BROKEN)

    def _look(self, requests: int, inside: int, outside: int) -> None:
        """Stop where the planned look decides; called when the last of `requests` has settled."""
        first, last = self.plan.warmup, self.plan.warmup + requests
        if not last <= self.next < self.end:
            return
        overran = int(self._overran(first, last).sum())
        if overran <= inside or overran >= outside:
            self.facts.decided = requests
            self.end = self.next
            self.alarm.set(_now())

    def _overran(self, first: int, last: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        done = np.array(self.done[first:last])
        late = done - self.start - self.schedule[first:last] > self.plan.budget_ms * 1e6
        good = np.isin(np.array(self.outcome[first:last]), answers.GOOD)
        return np.asarray(late | ~good)

    def _record(self) -> Record:
        def since(moments: array[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
            values = np.array(moments[: self.end], dtype=np.int64)
            return np.where(values < 0, -1, values - self.start)

        return Record(
            self.schedule[: self.end],
            since(self.reached),
            since(self.written),
            since(self.done),
            np.array(self.outcome[: self.end], dtype=np.int8),
        )


def _id(plan: Plan, index: int) -> bytes:
    return b"%s%09d" % (plan.tag.encode(), index)


def _blank(kind: str, count: int) -> array[int]:
    return array(kind, [-1]) * count


def _request(target: Target, body: bytes, id_length: int) -> tuple[bytes, bytes]:
    """The bytes before and after the id; every id has the same length."""
    before, after = body.split(SLOT)
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(before) + id_length + len(after)}\r\n\r\n"
    )
    return head.encode() + before, after
