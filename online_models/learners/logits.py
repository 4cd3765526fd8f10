"""Probabilities and logits."""

from __future__ import annotations

import math

NARROW = 1e-12
"""Probabilities are kept so far from 0 and 1 where their logit is taken."""


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)), without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    small = math.exp(logit)
    return small / (1.0 + small)


def logit(probability: float) -> float:
    """log(p / (1 - p)) of the probability, kept within [NARROW, 1 - NARROW]."""
    p = min(max(probability, NARROW), 1.0 - NARROW)
    return math.log(p) - math.log1p(-p)
