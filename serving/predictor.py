"""Answers batches of requests: states, vectors, arms, models, and the record of each answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra import metrics
from online_models.features.vector import Vectorizer, Vectors
from online_models.routes.decisions import Decider, Decision
from schemas.declare import Domain
from serving.answers import Answer
from serving.batching import Asked
from serving.models import BASE_RATE, FALLBACK, Model
from serving.prediction_log import Log
from serving.router import Choice, Router
from serving.states import Found, States
from serving.watchdog import Stuck, Watchdog

FOREIGN = "features:foreign"
"""The state that was read is not of this domain's layout."""


class Result(NamedTuple):
    """What a model gave, and how long it took for all that it was given."""

    probability: float
    model: Model
    ms: float


class _Unlogged(NamedTuple):
    request: Mapping[str, Any]
    answer: Answer
    choice: Choice
    decision: Decision
    ms: float
    grounds: Vectors
    row: int


_log = logging.getLogger(__name__)


class Predictor:
    """The one way from requests to answers, whatever brought the requests."""

    def __init__(
        self,
        domain: Domain,
        vectorizer: Vectorizer,
        states: States,
        models: Callable[[], Mapping[str, Model]],
        router: Router,
        log: Log,
        watchdog: Watchdog,
    ) -> None:
        self._nothing: list[bytes | None] = [None] * len(domain.entities)
        self._slices = domain.slices
        self._vector_hash = domain.vector_hash
        self._decider = Decider(domain)
        self._vectorizer = vectorizer
        self._states = states
        self._models = models
        self._router = router
        self._log = log
        self._watchdog = watchdog
        self._unlogged: list[_Unlogged] = []
        self._redis_time = metrics.latency_of("redis").observe
        self._queue_time = metrics.latency_of("queue").observe
        self._features_time = metrics.latency_of("features").observe
        self._model_time = metrics.latency_of("model").observe
        self._feature_age = metrics.feature_ages().observe
        self.newest_at: int | None = None

    async def predict(self, batch: Sequence[Asked]) -> None:
        """Resolves the reply of every request and logs the answers; Overloaded for what is late."""
        for asked in batch:
            self._queue_time(asked.started - asked.arrived)
        start = monotonic()
        async for part, found in self._states.read(batch):
            self._redis_time(monotonic() - start)
            self._answer(part, found)
        self.newest_at = batch[-1].record["at"]
        asyncio.get_running_loop().call_soon(self.write_log)  # after the answers have gone out

    def warm(self, record: Mapping[str, Any]) -> None:
        """Runs a request through all but Redis and the log, so that no client pays for it."""
        vectors = self._vectorizer.vectors([record], [self._nothing], [record["at"]])
        for model in self._models().values():
            model.run(vectors.values)

    def write_log(self) -> None:
        """Writes the records of the answers given so far."""
        unlogged, self._unlogged = self._unlogged, []
        for each in unlogged:
            self._log.write(self._record(each))
            if each.answer.newest_age_s is not None:
                self._feature_age(each.answer.newest_age_s)

    def _answer(self, batch: Sequence[Asked], found: Found) -> None:
        started = monotonic()
        requests = [asked.record for asked in batch]
        grounds = self._vectorizer.vectors(
            requests,
            found.blobs,
            [request["at"] for request in requests],
        )
        vectorised = monotonic()
        models = self._models()
        choices = [self._router.choose(request, models) for request in requests]
        left = min(asked.deadline for asked in batch) - vectorised
        until = vectorised + self._watchdog.allowed(left)
        results = self._run(choices, grounds.values, models[BASE_RATE], until)
        done = monotonic()
        self._features_time(vectorised - started)
        self._model_time(done - vectorised)
        for row, asked in enumerate(batch):
            if not asked.is_over(done):
                self._reply(asked, row, choices[row], results[row], grounds, found.degraded[row])

    def _run(
        self, choices: Sequence[Choice], vectors: NDArray[np.float64], fallback: Model, until: float
    ) -> list[Result]:
        """The probability of each vector and the model that gave it; one run a model.

        All of them have until then, so those that are stopped most come last.
        """
        first = choices[0].model
        if all(choice.model is first for choice in choices):
            return self._run_one(first, vectors, fallback, until)
        results: list[Result] = [Result(0.0, fallback, 0.0)] * len(choices)
        for model in sorted({choice.model for choice in choices}, key=self._watchdog.stopped):
            rows = [row for row, choice in enumerate(choices) if choice.model is model]
            found = self._run_one(model, vectors[rows], fallback, until)
            for row, result in zip(rows, found, strict=True):
                results[row] = result
        return results

    def _run_one(
        self, model: Model, vectors: NDArray[np.float64], fallback: Model, until: float
    ) -> list[Result]:
        """One model's answers; the base rate's where it fails or gives no probability."""
        started = monotonic()
        try:
            found = self._watchdog.run(model, vectors, until)
            if ((found >= 0) & (found <= 1)).all():
                return _results(found, model, started)
            fault = "no probability"
        except Stuck:  # the watchdog says it once
            return _results(fallback.run(vectors), fallback, started)
        except Exception as error:  # ONNX Runtime's errors have no common base below Exception
            fault = repr(error)
        _log.error("model %s@%d fails: %s", model.name, model.version, fault)
        return _results(fallback.run(vectors), fallback, started)

    def _reply(
        self,
        asked: Asked,
        row: int,
        choice: Choice,
        result: Result,
        grounds: Vectors,
        degraded: tuple[str, ...],
    ) -> None:
        """Sends the answer on its way, and keeps the record of it for the log."""
        request, model = asked.record, result.model
        decision = self._decider.decide(request["id"], result.probability)
        if choice.degraded or model is not choice.model or grounds.foreign[row]:
            degraded = (*degraded, *self._faults(choice, model, grounds.foreign[row]))
        answer = Answer(
            request["id"],
            result.probability,
            model.name,
            model.version,
            choice.arm,
            request["at"],
            _seconds(grounds.newest_age[row]),
            _seconds(grounds.oldest_age[row]),
            grounds.missing[row],
            degraded,
            msgspec.UNSET if asked.cached_s is None else round(asked.cached_s, 3),
            msgspec.UNSET if decision.stop is None else decision.stop,
        )
        if not asked.reply.done():
            asked.reply.set_result(answer)
        for reason in degraded:
            metrics.DEGRADED.labels(reason).inc()
        unlogged = _Unlogged(request, answer, choice, decision, result.ms, grounds, row)
        self._unlogged.append(unlogged)

    def _faults(self, choice: Choice, model: Model, foreign: tuple[str, ...]) -> list[str]:
        faults = [f"{FOREIGN}:{name}" for name in foreign]
        faults += choice.degraded if model is choice.model else [FALLBACK]
        return faults

    def _record(self, unlogged: _Unlogged) -> dict[str, Any]:
        """A record of `prediction.avsc`."""
        request, answer, choice, decision, ms, grounds, row = unlogged
        return {
            "id": answer.id,
            "time": answer.at,
            "vector": grounds.values[row],
            "probability": answer.probability,
            "model": answer.model,
            "version": answer.version,
            "arm": answer.arm,
            "propensity": choice.propensity,
            "policy": choice.policy,
            "degraded": answer.degraded,
            "positions": grounds.positions[row],
            "slices": {name: str(request[name]) for name in self._slices},
            "unit": choice.unit,
            "seen": decision.seen,
            "model_ms": ms,
            "vector_hash": self._vector_hash,
        }


def _results(found: NDArray[np.float64], model: Model, started: float) -> list[Result]:
    ms = 1_000 * (monotonic() - started)
    return [Result(probability, model, ms) for probability in found.tolist()]


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1_000
