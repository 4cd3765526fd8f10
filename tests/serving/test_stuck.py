"""While a model is stuck, every request is answered in its own budget, whoever asks beside it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from online_models.features.vector import Vectorizer
from schemas.declare import Domain
from serving.answers import Answer
from serving.batching import Asked, Batcher
from serving.models import BASE_RATE, Model, base_rate, load
from serving.predictor import Predictor
from serving.requests import Requests
from serving.router import Choice
from serving.states import Found
from serving.watchdog import Watchdog
from tests.serving.endpoints import question

BUDGET = 1.0
PATIENCE = 0.4 * BUDGET
"""As the endpoint has it."""


class Nothing:
    """States of which nothing is known, at once."""

    def __init__(self, domain: Domain) -> None:
        self._none = [None] * len(domain.entities)

    async def read(self, batch: Sequence[Asked]) -> AsyncIterator[tuple[Sequence[Asked], Found]]:
        yield batch, Found([self._none] * len(batch), [()] * len(batch))


class ByDestination:
    """The arm is what the request has as its destination."""

    def choose(self, request: Mapping[str, Any], models: Mapping[str, Model]) -> Choice:
        return Choice(request["dest"], models[request["dest"]], 1.0, "test")


@pytest.fixture
def batcher(
    domain: Domain, snapshot: Callable[..., dict[str, Any]], turning_graph: Callable[[int], bytes]
) -> Iterator[Batcher]:
    graph = turning_graph(len(domain.vector_names))
    models = {name: load(snapshot(domain, name, 1, graph), domain) for name in ("one", "other")}
    models[BASE_RATE] = base_rate(domain)
    watchdog = Watchdog(PATIENCE)
    watchdog.start()
    log = SimpleNamespace(write=lambda _: None)
    made = Predictor(
        domain, Vectorizer(domain), cast(Any, Nothing(domain)), lambda: models, ByDestination(),
        cast(Any, log), watchdog,
    )  # fmt: skip
    yield Batcher(made.predict)
    watchdog.stop()


def _ask(batcher: Batcher, record: Mapping[str, Any], budget: float) -> asyncio.Future[Answer]:
    now = time.monotonic()
    reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    batcher.submit(Asked(record, now, now + 0.9 * budget, reply))
    return reply


def _record(domain: Domain, number: int, model: str, stuck: bool) -> dict[str, Any]:
    asked = question(id=f"r{number}", dest=model, distance=1e9 if stuck else 3.0)
    record: dict[str, Any] = Requests(domain).parse(json.dumps(asked).encode())
    return record


def test_a_budget_smaller_than_the_patience_is_kept(domain: Domain, batcher: Batcher) -> None:
    async def run() -> None:
        answer = await _ask(batcher, _record(domain, 0, "one", stuck=True), 0.8 * PATIENCE)
        assert (answer.model, answer.degraded) == (BASE_RATE, ("model:base-rate",))

    asyncio.run(run())


def test_requests_at_once_to_two_stuck_models_are_all_answered_in_time(
    domain: Domain, batcher: Batcher
) -> None:
    async def run() -> None:
        records = [
            _record(domain, n, ("one", "other")[n % 2], stuck=n in (1, 4, 6)) for n in range(8)
        ]
        answers = await asyncio.gather(*(_ask(batcher, each, BUDGET) for each in records))
        assert [answer.id for answer in answers] == [f"r{number}" for number in range(8)]
        assert answers[1].model == BASE_RATE

    asyncio.run(run())


def test_a_model_that_is_well_goes_before_one_that_was_stuck(
    domain: Domain, batcher: Batcher
) -> None:
    async def run() -> None:
        for _ in range(2):
            await _ask(batcher, _record(domain, 0, "other", stuck=True), BUDGET)
        records = [_record(domain, n, ("other", "one")[n % 2], stuck=n % 2 == 0) for n in range(6)]
        answers = await asyncio.gather(*(_ask(batcher, each, BUDGET) for each in records))
        assert [answer.model for answer in answers] == [BASE_RATE, "one"] * 3

    asyncio.run(run())


def test_one_request_in_a_great_hurry_does_not_cost_the_others_their_model(
    domain: Domain, batcher: Batcher
) -> None:
    async def run() -> None:
        hurry = _ask(batcher, _record(domain, 0, "one", stuck=False), 1e-4)
        calm = _ask(batcher, _record(domain, 1, "one", stuck=False), BUDGET)
        assert (await calm).model == "one"
        await asyncio.wait({hurry})
        hurry.exception()

    asyncio.run(run())
