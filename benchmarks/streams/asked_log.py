"""A log as an endpoint leaves it that answered every question from all events up to its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from benchmarks.learning.asked import Tables
from infra.producing import send
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from schemas.dataset import Stamped
from schemas.declare import Domain

_AT_ONCE = 256
_KEPT = 200
"""Questions, the newest, that are given back."""
_LARGE = {"linger.ms": 1_000}
"""Records are sent in large batches: the embedded broker looks through all of a partition's batches
at every fetch, and would be what is measured."""


def fill_asked(
    settings: Settings, domain: Domain, stream: Iterable[Stamped]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Writes a log of events, labels, and predictions that answer every question from the events
    before it; gives the newest requests and how many records of each kind there are."""
    sender = Sender(settings, domain, registry(settings), _LARGE)
    tables = Tables(domain)
    counts, newest = Counter[str](), list[dict[str, Any]]()
    for kind, group in groupby(stream, key=lambda stamped: stamped.stream):
        batch = list(group)
        counts[kind if kind != "requests" else "predictions"] += len(batch)
        if kind == "requests":
            newest = [*newest, *(each.record for each in batch)][-_KEPT:]
            _predict(sender, domain, tables, batch)
            continue
        for each in batch:
            send(sender, domain, each)
        if kind == "events":
            for first in range(0, len(batch), _AT_ONCE):
                tables.add(batch[first : first + _AT_ONCE])
    sender.flush(300.0)
    return newest, dict(counts)


def _predict(sender: Sender, domain: Domain, tables: Tables, asked: Sequence[Stamped]) -> None:
    vectors = tables.vectors(asked).values.tolist()
    for each, vector in zip(asked, vectors, strict=True):
        request = each.record
        prediction = {
            "id": request["id"],
            "time": each.time_ms,
            "vector": vector,
            "probability": domain.prior,
            "model": "base-rate",
            "version": 0,
            "arm": "base-rate",
            "propensity": 1.0,
            "policy": "fixed@1",
            "degraded": [],
            "positions": [[] for _ in domain.entities],
            "slices": {name: str(request[name]) for name in domain.slices},
        }
        sender.send("predictions", "prediction", prediction, request["id"])
