"""Copies of records are known as far back as is remembered, and drift counts them once."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from typing import Any

from online_models.drift.watcher import watchers
from online_models.seen import Seen
from schemas import domains
from schemas.declare import DAY, HOUR


def records(*ids: str) -> list[dict[str, Any]]:
    return [{"id": id_} for id_ in ids]


def test_only_what_is_new_passes() -> None:
    seen = Seen(3)
    assert seen.new(records("a", "b", "a")) == records("a", "b")
    assert seen.new(records("b", "c", "d")) == records("c", "d")
    assert seen.new(records("a", "d")) == records("a"), "the oldest was forgotten"


def test_drift_counts_a_copy_once() -> None:
    domain = domains.load("payments")
    domain = replace(domain, drift=replace(domain.drift, warm_up=DAY))
    draw = random.Random(4)
    asked = [
        {
            "id": f"p{n}",
            "time": 1_700_000_000_000 + n * HOUR // 4,
            "vector": [draw.gauss(0, 1) for _ in domain.vector_names],
            "probability": draw.random() * 0.1,
            "slices": {},
        }
        for n in range(8 * 4 * DAY // HOUR)
    ]
    once, twice = (watchers(domain, seed=1)[0] for _ in range(2))
    for start in range(0, len(asked), 400):
        part = asked[start : start + 400]
        assert once.take(part) == twice.take([one for one in part for _ in (0, 1)])
    assert pickle.dumps(once) == pickle.dumps(twice)
