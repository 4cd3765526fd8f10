"""Streams of examples of a domain, and learners that grow quickly, for tests."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from online_models.learners import Learner, make
from online_models.learners.encoding import signed_log
from schemas import domains
from schemas.declare import LearnerSpec
from tests.online_models.checks import Example

DOMAINS = {name: domains.load(name) for name in ("flights", "payments")}
POSITIVES = {"flights": -4.0, "payments": -9.5}
"""Logit at which examples are positive: in payments few of them."""
QUICK: dict[str, dict[str, Any]] = {
    "hoeffding_tree": {"grace_period": 100, "delta": 0.1},
    "adaptive_tree": {"grace_period": 100, "delta": 0.1},
    "adaptive_forest": {"grace_period": 200, "delta": 0.1},
    "boosting": {"batch": 50, "trees": 20, "rate": 0.3},
    "challenger": {"first": 250, "every": 40, "trees": 10, "smallest_leaf": 10},
}
"""Options with which a kind has grown into its shape after a few hundred examples."""
PARTS = ("logistic", "boosting")
"""Of a stack."""


@lru_cache
def stream(count: int = 1500, seed: int = 7, domain: str = "flights") -> tuple[Example, ...]:
    """Vectors of a domain: skewed, with holes; some numbers and a category decide."""
    rng = np.random.default_rng(seed)
    buckets = np.array([category.buckets for category in DOMAINS[domain].categories])
    width = len(DOMAINS[domain].vector_names) - len(buckets)
    numbers = rng.normal(size=(count, width)) * np.exp(np.arange(width) % 3)
    numbers[:, ::3] = np.abs(np.round(numbers[:, ::3]))
    logit = (
        signed_log(numbers)[:, 3:9] @ np.array([0.7, 0.7, 1.5, 1.5, 1.5, 1.5]) + POSITIVES[domain]
    )
    numbers[:, 5:][rng.random((count, width - 5)) < 0.2] = math.nan
    hashed = np.floor(rng.random((count, len(buckets))) ** 3 * buckets)
    logit += np.where(hashed[:, 0] == 0, 2.0, -1.0)
    labels = rng.random(count) < 1 / (1 + np.exp(-logit))
    vectors = np.hstack([numbers, hashed]).tolist()
    return tuple(Example(v, float(y)) for v, y in zip(vectors, labels, strict=True))


def learner(kind: str, columns: Any = "all", domain: str = "flights", **options: Any) -> Learner:
    spec = LearnerSpec(f"{kind}-{columns}", kind, columns, QUICK.get(kind, {}) | options)
    parts = tuple(LearnerSpec(f"part-{part}", part, columns, QUICK.get(part, {})) for part in PARTS)
    return make(spec, replace(DOMAINS[domain], learners=parts), seed=3)
