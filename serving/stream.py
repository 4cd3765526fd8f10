"""Answers requests from the topic `requests` to the topic `predictions`, as the endpoint would.

The predictor is the endpoint's own. Faust's consumer group shares the partitions out among the
processes that run this. For each request: read, answer, deliver the answer (or a dead letter), and
only then acknowledge it; Faust commits up to the oldest that is not acknowledged. So after a crash
some are answered twice, none never, and a reader knows the copies by their id.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from time import monotonic
from typing import Any

import faust
from faust.types import EventT

from infra import kafka, metrics, topics
from infra.dead_letters import dead_letter, key_of
from infra.decoding import Decoder
from infra.kafka import Raw
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from schemas.declare import Domain
from serving.faust_app import app_of
from serving.patient import Question, checked, patient, started
from serving.service import Service

FLOW = "stream"
"""The name in metrics and dead letters."""

IN_FLIGHT = 256
"""Requests that are read and not yet delivered, at most: more are left in the log."""

_READY_S = 120.0

log = logging.getLogger(__name__)


class Streaming:
    """One process that answers streamed requests."""

    def __init__(self, settings: Settings, domain: Domain) -> None:
        self._settings, self._domain = settings, domain
        self._topic = domain.topic("requests")
        known = registry(settings)
        schemas = {"request": domain.schemas["request"]}
        self._decoder = Decoder(schemas, known, FLOW, domain.earliest)
        self._letters = Sender(settings, domain, known)
        self.service = Service(patient(settings), domain)
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._answering: set[asyncio.Task[None]] = set()
        self._answered: list[EventT[bytes]] = []
        self._something = asyncio.Event()
        self._fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._app = app_of(settings, f"{domain.name}-{settings.generation}-{FLOW}", IN_FLIGHT)
        requests = self._app.topic(self._topic, value_type=bytes)
        self._app.agent(requests)(self._work)

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Answers until told to stop; then finishes what it has read, and commits.

        Raises NotReady, LogError, or Undelivered where an answer was lost: nothing later than it
        is committed then.
        """
        topics.check(self._settings, self._domain)
        await started(self.service, _READY_S)
        delivering = asyncio.create_task(self._deliver())
        delivering.add_done_callback(self._ended)
        try:
            await self._app.start()
            log.info("answering %s", self._topic)
            if ready is not None:
                ready.set()
            await self._until(stop)
        finally:
            await self._end(delivering)
        if self._fault.done():
            self._fault.result()

    async def _until(self, stop: asyncio.Event) -> None:
        waiting = {
            asyncio.ensure_future(stop.wait()),
            asyncio.ensure_future(self._app.wait_until_stopped()),
        }
        await asyncio.wait({*waiting, self._fault}, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if self._app.crash_reason is not None:
            raise kafka.LogError(f"{self._topic}: {self._app.crash_reason!r}")

    async def _end(self, delivering: asyncio.Task[None]) -> None:
        """Delivers what is under way, where nothing was lost; then leaves the group."""
        if not self._fault.done():
            await self._room_is_empty()
        await self._app.stop()
        delivering.cancel()
        await asyncio.wait({delivering, *self._answering})
        await self.service.stop()

    async def _room_is_empty(self) -> None:
        """Takes all the room there is, so that nothing more is read, and all that was is done."""
        taking = asyncio.ensure_future(self._take_all_room())
        await asyncio.wait({taking, self._fault}, return_when=asyncio.FIRST_COMPLETED)
        taking.cancel()

    async def _take_all_room(self) -> None:
        for _ in range(IN_FLIGHT):
            await self._room.acquire()

    async def _work(self, stream: faust.StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            await self._room.acquire()
            metrics.STREAM_IN_FLIGHT.inc()
            task = asyncio.create_task(self._answer(event))
            self._answering.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        if not task.cancelled() and task.exception() is not None and not self._fault.done():
            self._fault.set_exception(task.exception() or RuntimeError())

    async def _answer(self, event: EventT[bytes]) -> None:
        message = event.message
        raw = Raw(message.offset, round(message.timestamp * 1_000), message.key, message.value)
        question = self._read(message.partition, raw)
        if question is not None:
            metrics.EVENTS.labels(FLOW, "request").inc()
            await self.service.ask(question.record, monotonic())
        self._answered.append(event)
        self._something.set()

    def _read(self, partition: int, raw: Raw) -> Question | None:
        """The question; None where it is none, and a dead letter is on its way.

        A request without an id is known by its place, and one without a time is asked when the
        log took it: so that it is the same when it is read again.
        """
        good, dead = self._decoder.batch(self._topic, partition, [raw])
        place = f"{self._topic}/{partition}/{raw.offset}"
        if dead:
            self._bury(dead[0])
            return None
        record = dict(good[0][1])
        record["id"] = place if record["id"] is None else record["id"]
        record["at"] = raw.time if record["at"] is None else record["at"]
        found = checked(self.service.requests, Question(place, record))
        if isinstance(found, Question):
            return found
        letter = dead_letter("bad_request", found.reason, FLOW, self._topic, partition, raw)
        self._bury(letter)
        return None

    def _bury(self, letter: dict[str, Any]) -> None:
        metrics.DEAD_LETTERS.labels(FLOW, letter["reason"]).inc()
        self._letters.send("dead-letters", "dead_letter", letter, key_of(letter))

    async def _deliver(self) -> None:
        """Delivers what has been answered, all at once, then acknowledges it; again and again."""
        while True:
            await self._something.wait()
            self._something.clear()
            done, self._answered = self._answered, []
            self.service.predictor.write_log()
            await asyncio.to_thread(self._flush)
            for event in done:
                event.ack()
                self._room.release()
                metrics.STREAM_IN_FLIGHT.dec()

    def _flush(self) -> None:
        self._letters.flush()
        self.service.log.flush()


def stream(settings: Settings, domain: Domain) -> None:
    """Answers until SIGINT or SIGTERM; /metrics is there once it has joined its group."""
    asyncio.run(_until_signalled(settings, domain))


async def _until_signalled(settings: Settings, domain: Domain) -> None:
    stop, ready, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.ensure_future(Streaming(settings, domain).run(stop, ready))
    waiting = asyncio.ensure_future(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if ready.is_set():
        port = metrics.serve_metrics(settings.metrics_port)
        log.info("metrics on port %d", port)
    with suppress(asyncio.CancelledError):
        waiting.cancel()
    await running
