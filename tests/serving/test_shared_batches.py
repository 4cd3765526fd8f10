"""Requests that share a batch: each is answered in its own budget, also while a model is stuck."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from infra import metrics
from schemas.declare import Domain
from serving.answers import Answer
from serving.batching import Asked, Batcher
from serving.models import BASE_RATE, load
from serving.requests import Requests
from tests.serving.endpoints import question
from tests.serving.predictors import batching

BUDGET = 1.0
PATIENCE = 0.4 * BUDGET
"""As the endpoint has it."""


@pytest.fixture
def batcher(
    domain: Domain, snapshot: Callable[..., dict[str, Any]], turning_graph: Callable[[int], bytes]
) -> Iterator[Batcher]:
    graph = turning_graph(len(domain.vector_names))
    models = {name: load(snapshot(domain, name, 1, graph), domain) for name in ("one", "other")}
    with batching(domain, models, PATIENCE) as made:
        yield made


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


def test_a_batch_is_one_observation_of_its_stages_and_each_request_one_of_its_own(
    domain: Domain, batcher: Batcher
) -> None:
    def counts() -> dict[str, float]:
        metrics.settle()
        [family] = metrics.LATENCY.collect()
        return {s.labels["stage"]: s.value for s in family.samples if s.name.endswith("_count")}

    async def run() -> None:
        records = [_record(domain, number, "one", stuck=False) for number in range(5)]
        await asyncio.gather(*(_ask(batcher, each, BUDGET) for each in records))

    before = counts()
    asyncio.run(run())
    rose = {stage: count - before.get(stage, 0.0) for stage, count in counts().items()}
    assert {stage for stage, by in rose.items() if by == 1} == metrics.OF_BATCHES
    assert rose["queue"] == 5
