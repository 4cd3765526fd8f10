"""The words in which a domain is declared: events, entities, features, request, label, learners.

A domain is one folder beside this file: its `.avsc` files and a `domain.py` whose `DOMAIN` is a
`Domain`. Nothing here computes anything; `online_models` gives the declarations their meaning.
Times and spans are whole milliseconds, times since the epoch in UTC.
"""

from __future__ import annotations

from schemas.declare.features import (
    Calendar,
    Category,
    Entity,
    Event,
    Feature,
    Kind,
    Numeric,
    balance,
    count,
    decayed_mean,
    distinct,
    last,
    maximum,
    mean,
    minimum,
    ratio,
    seconds_since,
    std,
    total,
)
from schemas.declare.learning import (
    REACTIONS,
    Label,
    LearnerSpec,
    Provisional,
    Publishing,
    Unlabelled,
)
from schemas.declare.loop import (
    POLICIES,
    Drift,
    DriftKind,
    LogScore,
    React,
    Routing,
    Sample,
    Stopping,
)
from schemas.declare.units import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    TILES,
    DeclarationError,
    Schema,
    is_time,
    load_schemas,
)
from schemas.declare.whole import VIEWS, Domain

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "POLICIES",
    "REACTIONS",
    "SECOND",
    "TILES",
    "VIEWS",
    "Calendar",
    "Category",
    "DeclarationError",
    "Domain",
    "Drift",
    "DriftKind",
    "Entity",
    "Event",
    "Feature",
    "Kind",
    "Label",
    "LearnerSpec",
    "LogScore",
    "Numeric",
    "Provisional",
    "Publishing",
    "React",
    "Routing",
    "Sample",
    "Schema",
    "Stopping",
    "Unlabelled",
    "balance",
    "count",
    "decayed_mean",
    "distinct",
    "is_time",
    "last",
    "load_schemas",
    "maximum",
    "mean",
    "minimum",
    "ratio",
    "seconds_since",
    "std",
    "total",
]
