"""Replays a data set through a running stack in steps of event time, asking as it goes.

For each step (T, T + step]: first all questions of the step are asked over HTTP, each with its
true `at`, then the step's events and labels are produced. Before the questions, the features flow
must have taken in everything that was produced. So no event later than T can be in the state that
answers them: nothing leaks, and features are at most one step old. Learning is waited for where it
is BEHIND: in life it has hours for what a replay gives it in milliseconds.

What an answer stops takes place as an event, but its outcome never comes: neither label nor event.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import aiohttp

from benchmarks.demo.expected import Expected
from infra.feature_store import FeatureStore
from infra.producing import send
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from schemas.dataset import Stamped
from schemas.declare import Domain, Stopping

CONNECTIONS = 16
"""Questions that are under way at once."""

PATIENCE, LEARNING_PATIENCE = 60.0, 300.0
"""Seconds that a flow may stand still before the replay gives up. On a busy machine, where learning
gives way to everything else, a challenger of 100,000 examples trains for minutes."""

BEHIND = 500
"""Labelled questions that the served model may not have learned yet; half a day of flights."""

SHED_RETRIES = 20
KEPT_S = 2.0
"""Seconds that an idle connection is kept: less than the server does, or it may close one just
when a question is on its way."""

_SENDING = {"linger_ms": 200, "topic_metadata_refresh_fast_interval_ms": 20}
"""A step ends with a flush, which waits for no linger: so each step is one batch a partition. The
embedded broker's work for a batch grows with the batches that it holds. The default of the second,
100 and more, costs seconds at the first records of each topic."""


class ReplayError(RuntimeError):
    """The stack did not keep up or refused a question; says what it said."""


class Step(NamedTuple):
    """What happens in (end - step, end] of event time."""

    end: int
    questions: list[Stamped]
    facts: list[Stamped]


@dataclass
class Replayed:
    """What has been done so far. Latencies in seconds, from sending a question to its answer."""

    expected: Expected
    records: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    time: int = 0
    latencies: list[float] = field(default_factory=list)
    asked_at: list[int] = field(default_factory=list)
    degraded: Counter[str] = field(default_factory=Counter)
    shed: int = 0
    stopped: set[str] = field(default_factory=set)
    """Questions whose answer was to stop: what would have come of them never does."""


def steps(items: Iterable[Stamped], step: int) -> Iterator[Step]:
    """Groups records in event-time order into steps of `step` milliseconds."""
    for number, group in groupby(items, key=lambda item: -(-item.time_ms // step)):
        made = Step(number * step, [], [])
        for item in group:
            (made.questions if item.stream == "requests" else made.facts).append(item)
        yield made


def happens(fact: Stamped, domain: Domain, stopped: Set[str]) -> bool:
    """Whether it comes about: neither the label nor the outcome of what was stopped does."""
    if fact.stream == "labels":
        return fact.record["id"] not in stopped
    reward = domain.routing.reward
    if isinstance(reward, Stopping) and fact.name == reward.outcome:
        return fact.record[reward.of] not in stopped
    return True


class Replay:
    """Sends facts, waits for the flows, asks questions; `tell` hears of every step.

    `learned` tells how many examples have been learned; without it learning is not waited for.
    """

    def __init__(
        self,
        settings: Settings,
        domain: Domain,
        tell: Callable[[Replayed], None] = lambda _: None,
        learned: Callable[[], int] | None = None,
    ) -> None:
        self.done = Replayed(Expected(domain.label))
        self._domain = domain
        self._url = f"{settings.endpoint}/predict"
        self._sender = Sender(settings, domain, registry(settings), _SENDING)
        self._store = FeatureStore(settings, domain)
        self._tell = tell
        self._learned = learned

    async def run(self, items: Iterable[Stamped], step: int) -> Replayed:
        """Replays everything; raises ReplayError, or LogError where a record was not delivered."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEPT_S)
        async with aiohttp.ClientSession(connector=connector) as client:
            for each in steps(items, step):
                if each.questions:
                    await self._until_applied()
                    await self._until_learned()
                    await self._ask_all(client, each.questions)
                self._send(each.facts)
                self.done.time = each.end
                self._tell(self.done)
        self._store.close()
        return self.done

    def _send(self, facts: Sequence[Stamped]) -> None:
        for fact in facts:
            if not happens(fact, self._domain, self.done.stopped):
                continue
            send(self._sender, self._domain, fact)
            self.done.records[fact.name] += 1
            if fact.stream == "labels":
                self.done.expected.labelled(fact.record["id"], fact.time_ms)
        self._sender.flush()

    async def _until_applied(self) -> None:
        """Waits until every shard of the state holds all events that were produced."""
        topic = self._domain.topic("events")
        wanted = {p: end for (name, p), end in self._sender.positions.items() if name == topic}
        deadline = time.monotonic() + PATIENCE
        while behind := self._store.behind(wanted):
            if time.monotonic() > deadline:
                shard, progress = next(iter(behind.items()))
                raise ReplayError(
                    f"the features flow stood still for {PATIENCE:.0f} s: shard {shard} is at "
                    f"{progress}, the log at {wanted}"
                )
            await asyncio.sleep(0.002)

    async def _until_learned(self) -> None:
        """Waits until the served model knows all outcomes but the newest."""
        if self._learned is None:
            return
        known = self.done.expected.known
        newest, deadline = self._learned(), time.monotonic() + LEARNING_PATIENCE
        while known - (learned := self._learned()) > BEHIND:
            if learned != newest:
                newest, deadline = learned, time.monotonic() + LEARNING_PATIENCE
            if time.monotonic() > deadline:
                raise ReplayError(
                    f"the learning flow stood still for {LEARNING_PATIENCE:.0f} s: it has learned "
                    f"{learned:,} examples of {known:,} questions whose outcome is known"
                )
            await asyncio.sleep(0.005)

    async def _ask_all(self, client: aiohttp.ClientSession, questions: list[Stamped]) -> None:
        waiting = asyncio.Semaphore(CONNECTIONS)
        async with asyncio.TaskGroup() as group:
            for question in questions:
                group.create_task(self._ask(client, waiting, question))

    async def _ask(
        self, client: aiohttp.ClientSession, waiting: asyncio.Semaphore, question: Stamped
    ) -> None:
        body = json.dumps(question.record).encode()
        async with waiting:
            for _ in range(SHED_RETRIES):
                began = time.perf_counter()
                status, text = await self._post(client, body)
                if status != 503:
                    break
                self.done.shed += 1
                await asyncio.sleep(0.05)
        if status != 200:
            raise ReplayError(f"{self._url} answers {status} to {body.decode()}: {text[:500]!r}")
        self._note(question, json.loads(text), time.perf_counter() - began)

    async def _post(self, client: aiohttp.ClientSession, body: bytes) -> tuple[int, bytes]:
        async with client.post(
            self._url, data=body, headers={"content-type": "application/json"}
        ) as answer:
            return answer.status, await answer.read()

    def _note(self, question: Stamped, answer: dict[str, Any], seconds: float) -> None:
        self.done.answers += 1
        self.done.latencies.append(seconds)
        self.done.asked_at.append(question.time_ms)
        self.done.degraded.update(answer["degraded"])
        stopped = bool(answer.get("stop"))
        self.done.expected.asked(answer["id"], question.time_ms, stopped)
        if stopped:
            self.done.stopped.add(answer["id"])
