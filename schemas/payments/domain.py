"""Payments: as a card is presented, is this payment fraud?

Simulated (`simulator.py`): under 1% of payments are fraud, and a chargeback tells days later, or
never; no chargeback within 30 days means that the payment was genuine.
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
    React,
    Routing,
    Sample,
    Stopping,
    Unlabelled,
    count,
    distinct,
    last,
    load_schemas,
    maximum,
    mean,
    seconds_since,
    std,
)

ENTITIES = (
    Entity(
        "customer",
        ("customer",),
        (
            count("payment", HOUR),
            count("payment", DAY),
            count("payment", 7 * DAY),
            mean("payment", "amount", DAY),
            mean("payment", "amount", 28 * DAY),
            std("payment", "amount", 28 * DAY),
            maximum("payment", "amount", 28 * DAY),
            mean("payment", "distance", 7 * DAY),
            distinct("payment", "terminal", 7 * DAY),
            seconds_since("payment", within=28 * DAY),
            last("payment", "amount", within=7 * DAY),
            count("chargeback", 28 * DAY),
        ),
    ),
    Entity(
        "terminal",
        ("terminal",),
        (
            count("payment", DAY),
            mean("payment", "amount", 7 * DAY),
            count("payment", 28 * DAY),
            count("chargeback", 7 * DAY),
            count("chargeback", 28 * DAY),
        ),
    ),
)

DOMAIN = Domain(
    name="payments",
    title="Simulated card payments with planted fraud",
    positive="is fraud",
    events=(Event("payment", key=("customer",)), Event("chargeback", key=("customer",))),
    entities=ENTITIES,
    columns=(
        Numeric("amount"),
        Numeric("distance"),
        Calendar("hour", of="at", unit="hour"),
        Calendar("weekday", of="at", unit="weekday"),
    ),
    categories=(
        Category(("kind",), buckets=64),
        Category(("country",), buckets=64),
        Category(("hour",), buckets=64),
    ),
    label=Label(deadline=30 * DAY, missing=Unlabelled.NEGATIVE),
    learners=(
        LearnerSpec("base-rate", "base_rate"),
        LearnerSpec("logistic", "logistic", options={"rate": 0.15}),
        LearnerSpec("tree", "adaptive_tree"),
        LearnerSpec("forest", "adaptive_forest"),
        LearnerSpec("boosting", "boosting"),
        LearnerSpec("challenger", "challenger"),
        LearnerSpec("stack", "stack", options={"parts": ("logistic", "challenger")}),
        LearnerSpec("logistic-static", "logistic", columns="static", options={"rate": 0.15}),
    ),
    served="logistic",
    prior=0.01,
    publishing=Publishing(examples=1_000, time=DAY),
    schemas=load_schemas(Path(__file__).parent),
    earliest=1_577_836_800_000,  # 2020-01-01
    slices=("kind", "country"),
    samples=(
        Sample("recent", "decayed", size=1_000, half_life=14 * DAY),
        Sample("uniform", "uniform", size=1_000),
        Sample("labels", "stratified", size=500, by=("label",)),
        Sample("slices", "stratified", size=100, by=("label", "kind")),
        Sample("amounts", "weighted", size=500, by=("amount",)),
    ),
    routing=Routing(
        "thompson",
        arms=("logistic", "logistic-static", "stack", "challenger"),
        feedback="served",
        sticky=("customer",),
        reward=Stopping(
            "amount",
            cost=5.0,
            threshold=0.05,
            let_through=0.1,
            outcome="chargeback",
            of="payment",
        ),
        half_life=30 * DAY,
        every=DAY,
    ),
    drift=Drift(
        warm_up=58 * DAY,
        # Not to covariate drift, where the old answers still hold; the others learn on as they do.
        reactions=(React("retrain", to=("label", "concept"), learners=("challenger",)),),
    ),
)
