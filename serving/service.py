"""What an endpoint is made of, started and stopped in order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any

import redis

from infra import kafka, metrics
from infra.feature_store import FeatureReader
from infra.registry import RegistryError, registry
from infra.settings import Settings
from online_models.features.vector import Vectorizer
from schemas.declare import Domain
from serving.answers import Answer
from serving.batching import Asked, Batcher, Overloaded
from serving.model_cache import ModelCache
from serving.prediction_log import Log, PredictionLog
from serving.predictor import Predictor
from serving.requests import Requests
from serving.route_cache import RouteCache
from serving.router import RoutedRouter
from serving.states import States
from serving.watchdog import Watchdog

ANSWER_SHARE = 0.8
"""Of a budget, by when the answer is on its way; the rest is for the way back to the client, who
waits for a processor too where more is asked than can be answered."""

MODEL_SHARE = 0.4
"""Of the endpoint's budget, what models may take at most of a batch's time."""

RETRY_EVERY = 0.5
POLL_EVERY = 0.25

_log = logging.getLogger(__name__)


class Service:
    """The endpoint without its HTTP: requests in, answers out.

    `start` returns at once, also where Redis or the broker are away, and goes on trying: `reasons`
    says what is still missing. A Redis that goes away later does not make it unready: it answers
    still, degraded.
    """

    def __init__(
        self,
        settings: Settings,
        domain: Domain,
        log: Log | None = None,
    ) -> None:
        self.domain = domain
        self.settings = settings
        self.requests = Requests(domain)
        self._budget = settings.budget_ms / 1_000
        known = registry(settings)
        self.models = ModelCache(settings, domain, known)
        self.routes = RouteCache(settings, domain, known)
        self.log: Log = log or PredictionLog(settings, domain, known)
        vectorizer = Vectorizer(domain)
        self._reader = FeatureReader(settings, domain)
        self._states = States(domain, vectorizer, settings, self._reader)
        router = RoutedRouter(domain, lambda: self.routes.route)
        self._watchdog = Watchdog(MODEL_SHARE * self._budget)
        self.predictor = Predictor(
            domain,
            vectorizer,
            self._states,
            lambda: self.models.models,
            router,
            self.log,
            self._watchdog,
        )
        self._batcher = Batcher(self.predictor.predict)
        self._tasks: list[asyncio.Task[None]] = []
        self._redis_answered = False
        self._log_fault = ""
        self.fault: kafka.Undelivered | None = None

    async def start(self) -> None:
        """Begins to follow models, and to reach for Redis and the log."""
        self.predictor.warm(self.requests.example_record())
        self._watchdog.start()
        self.models.start()
        self.routes.start()
        for work in (self._meet_redis(), self._open_log(), self._watch()):
            self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Answers what was asked and writes every prediction; raises Undelivered if one is lost."""
        await self._batcher.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._states.breaker.close()
        await self._reader.close()
        self._watchdog.stop()
        await asyncio.to_thread(self.models.stop)
        await asyncio.to_thread(self.routes.stop)
        self.predictor.write_log()
        metrics.settle()
        try:
            await asyncio.to_thread(self.log.close)
        except kafka.Undelivered as fault:
            self.fault = fault
            raise

    @property
    def busy(self) -> bool:
        """Whether requests are being answered."""
        return self._batcher.busy

    def ask(self, record: Mapping[str, Any], arrived: float) -> asyncio.Future[Answer]:
        """The answer to a record that `Requests` gave; `arrived` by the monotonic clock.

        Raises Overloaded, at once or later, where the answer would come too late.
        """
        return self.answer(record, arrived, self.admit(arrived))

    def admit(self, arrived: float, budget: float | None = None) -> float:
        """By when a request with a budget (s) shall be answered; Overloaded where it cannot be."""
        if not self.log.is_open:
            raise Overloaded("the endpoint is still starting", RETRY_EVERY)
        deadline = arrived + ANSWER_SHARE * (self._budget if budget is None else budget)
        self._batcher.admit(arrived, deadline)
        return deadline

    def answer(
        self, record: Mapping[str, Any], arrived: float, deadline: float
    ) -> asyncio.Future[Answer]:
        """The answer to a request that was admitted."""
        reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._batcher.submit(Asked(record, arrived, deadline, reply))
        return reply

    def reasons(self) -> list[str]:
        """Why it is not ready; empty when it is."""
        reasons = []
        if not self._redis_answered:
            reasons.append("Redis has not answered yet")
        if not self.models.caught_up.is_set():
            fault = self.models.fault
            reasons.append("the models topic is not read yet" + (f": {fault}" if fault else ""))
        if not self.routes.caught_up.is_set():
            fault = self.routes.fault
            reasons.append("routes and policies are not read yet" + (f": {fault}" if fault else ""))
        if not self.log.is_open:
            fault = self._log_fault
            reasons.append("the prediction log is not open yet" + (f": {fault}" if fault else ""))
        return reasons

    def state(self) -> dict[str, Any]:
        """What `/readyz` says beside its reasons."""
        models = self.models.models
        served = models.get(self.domain.served) or self.models.base
        route = self.routes.route
        return {
            "serving": f"{served.name}@{served.version}",
            "process": os.getpid(),
            "routing": route.editions[-1].policy if route else "fixed",
            "redis": "answers" if self._redis_answered and self._states.breaker.closed else "away",
        }

    async def _meet_redis(self) -> None:
        while True:
            try:
                await self._reader.warm()
                break
            except (redis.RedisError, OSError) as fault:
                self._states.breaker.trip(repr(fault))
                await asyncio.sleep(RETRY_EVERY)
        self._redis_answered = True

    async def _open_log(self) -> None:
        while not self.log.is_open:
            try:
                await asyncio.to_thread(self.log.open)
            except (kafka.LogError, RegistryError) as fault:
                self._log_fault = str(fault)
                _log.warning("the prediction log cannot be opened yet: %s", fault)
                await asyncio.sleep(RETRY_EVERY)

    async def _watch(self) -> None:
        while True:
            self.log.poll()
            metrics.settle()
            for model in self.models.models.values():
                if model.time is not None and self.predictor.newest_at is not None:
                    age = (self.predictor.newest_at - model.time) / 1_000
                    metrics.SNAPSHOT_AGE.labels(model.name).set(age)
            await asyncio.sleep(POLL_EVERY)
