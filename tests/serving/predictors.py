"""The predictor behind its batcher, without Redis and without a log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from online_models.features.vector import Vectorizer
from schemas.declare import Domain
from serving.batching import Asked, Batcher
from serving.models import BASE_RATE, Model, base_rate
from serving.predictor import Predictor
from serving.router import Choice
from serving.states import Found
from serving.watchdog import Watchdog


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


@contextmanager
def batching(domain: Domain, models: Mapping[str, Model], patience: float) -> Iterator[Batcher]:
    """Answers by these models and the base rate."""
    watchdog = Watchdog(patience)
    watchdog.start()
    known = {**models, BASE_RATE: base_rate(domain)}
    predictor = Predictor(
        domain,
        Vectorizer(domain),
        cast(Any, Nothing(domain)),
        lambda: known,
        ByDestination(),
        cast(Any, SimpleNamespace(write=lambda _: None)),
        watchdog,
    )
    yield Batcher(predictor.predict)
    watchdog.stop()
