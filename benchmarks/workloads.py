"""Seeded workloads that benchmarks share."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from schemas import domains
from schemas.dataset import Stamped
from schemas.declare import (
    HOUR,
    MINUTE,
    SECOND,
    Category,
    Domain,
    Drift,
    Entity,
    Event,
    Feature,
    Label,
    LearnerSpec,
    Numeric,
    Publishing,
    Routing,
    Sample,
    Schema,
    Unlabelled,
    count,
    mean,
    total,
)

USERS = 1_000
WINDOWS = (MINUTE, 10 * MINUTE, HOUR)
START = 1_700_000_000_000
ASKED, ASKED_EVERY, LABELLED = 50, 250, 0.9
"""So many questions after so many visits, and the share that gets a label."""

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


def workload(name: str) -> Domain:
    """The domain of a workload: visits with something to do for every flow, or one shipped."""
    return taught_domain() if name == "visits" else domains.load(name)


def taught_domain(name: str = "visits") -> Domain:
    """Visits with a second learner, samples, drift watched by the minute, and a bandit."""
    often = Publishing(examples=5_000, time=HOUR)
    return replace(
        visits_domain(name),
        learners=(LearnerSpec("base-rate", "base_rate"), LearnerSpec("logistic", "logistic")),
        samples=(
            Sample("uniform", "uniform", size=1_000, publishing=often),
            Sample("recent", "decayed", size=1_000, half_life=20 * MINUTE, publishing=often),
            Sample("labels", "stratified", size=500, by=("label",), publishing=often),
        ),
        drift=Drift(per=HOUR, warm_up=2 * MINUTE, reference=25 * MINUTE, block=MINUTE, late=SECOND),
        routing=Routing("thompson", every=5 * MINUTE, half_life=HOUR),
    )


def asked_visits(number: int, seed: int = 7) -> Iterator[Stamped]:
    """Visits; after every 250th, questions about the users of the last 50, of whom nine in ten get
    their label within half an hour; those who paid much come back more often."""
    draw = np.random.default_rng(seed + 1)
    waiting: list[tuple[int, int, dict[str, Any]]] = []
    recent: list[dict[str, Any]] = []
    for place, visit in enumerate(visits(number, seed)):
        while waiting and waiting[0][0] <= visit["time"]:
            time, _, label = heapq.heappop(waiting)
            yield Stamped(time, "labels", "label", label)
        yield Stamped(visit["time"], "events", "visit", visit)
        recent = [*recent[-(ASKED - 1) :], visit]
        if place % ASKED_EVERY == ASKED_EVERY - 1:
            for each, asked in enumerate(recent):
                id_, at = f"q{place}x{each}", visit["time"]
                request = {"id": id_, "at": at, "user": asked["user"], "amount": asked["amount"]}
                yield Stamped(at, "requests", "request", request)
                came = at + int(draw.integers(SECOND, 30 * MINUTE))
                likely = 0.7 if asked["amount"] > math.e**3 else 0.3
                label = {"id": id_, "time": came, "value": float(draw.random() < likely)}
                if draw.random() < LABELLED:
                    heapq.heappush(waiting, (came, place * ASKED + each, label))


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
