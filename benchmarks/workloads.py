"""Seeded workloads that benchmarks share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from schemas.declare import (
    HOUR,
    MINUTE,
    Category,
    Domain,
    Entity,
    Event,
    Feature,
    Label,
    LearnerSpec,
    Numeric,
    Publishing,
    Schema,
    Unlabelled,
    count,
    mean,
    total,
)

USERS = 1_000
WINDOWS = (MINUTE, 10 * MINUTE, HOUR)
START = 1_700_000_000_000

_TIME = {"type": "long", "logicalType": "timestamp-millis"}

VISIT: Schema = {
    "type": "record",
    "name": "visit",
    "fields": [
        {"name": "user", "type": "string"},
        {"name": "time", "type": _TIME},
        {"name": "amount", "type": "double"},
        {"name": "latitude", "type": "double"},
        {"name": "longitude", "type": "double"},
        {"name": "score", "type": "float"},
        {"name": "country", "type": "string"},
        {"name": "channel", "type": "string"},
    ],
}
REQUEST: Schema = {
    "type": "record",
    "name": "request",
    "fields": [{"name": "user", "type": "string"}, {"name": "amount", "type": "double"}],
}


def _features() -> tuple[Feature, ...]:
    return tuple(
        feature
        for over in WINDOWS
        for feature in (
            count("visit", over),
            total("visit", "amount", over),
            mean("visit", "amount", over),
        )
    )


def visits_domain(name: str = "visits") -> Domain:
    """Visits of users: count, sum and mean of an amount over a minute, ten, and an hour."""
    return Domain(
        name=name,
        title="Visits of users, for benchmarks",
        positive="comes back",
        events=(Event("visit", key=("user",)),),
        entities=(Entity("user", ("user",), _features()),),
        columns=(Numeric("amount"),),
        categories=(Category(("user",), buckets=16),),
        label=Label(deadline=HOUR, missing=Unlabelled.DROP),
        learners=(LearnerSpec("base-rate", "base_rate"),),
        served="base-rate",
        prior=0.5,
        publishing=Publishing(examples=1_000, time=HOUR),
        schemas={"visit": VISIT, "request": REQUEST},
        earliest=946_684_800_000,
    )


def visits(number: int, seed: int = 7, per_second: float = 20.0) -> Iterator[dict[str, Any]]:
    """Visits in event-time order, `per_second` on average; users are drawn by Zipf's law.

    Amounts are whole cents, so that sums are exact in binary fractions of the tiles' grid only
    after rounding: compare with a tolerance of 1e-5 a value.
    """
    draw = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, USERS + 1)
    users = draw.choice(USERS, number, p=weights / weights.sum())
    times = START + np.cumsum(draw.exponential(1_000 / per_second, number)).astype(np.int64)
    amounts = np.round(draw.lognormal(3.0, 1.0, number), 2)
    places = draw.uniform(-90.0, 90.0, (number, 2))
    scores = draw.random(number)
    for i in range(number):
        yield {
            "user": f"u{users[i]}",
            "time": int(times[i]),
            "amount": float(amounts[i]),
            "latitude": float(places[i, 0]),
            "longitude": float(places[i, 1]),
            "score": math.floor(float(scores[i]) * 256) / 256,
            "country": ("DE", "FR", "US", "GB")[i % 4],
            "channel": ("web", "app")[i % 2],
        }
