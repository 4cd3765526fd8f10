"""What a learner looks at and how it learns an example: what its model cards say of it."""

from __future__ import annotations

from typing import NamedTuple

from online_models.learners.adaptive_forest import AdaptiveForestOptions
from online_models.learners.boosting import BoostingOptions
from online_models.learners.challenger import ChallengerOptions
from online_models.learners.encoding import inputs
from online_models.learners.options import options
from online_models.learners.stack import parts
from online_models.learners.wrapped import wrapping
from schemas.declare import Domain, LearnerSpec

NUMBERS_ONLY = {"hoeffding_tree", "adaptive_tree", "adaptive_forest"}
"""Kinds that see no categories (`Encoding.filled`)."""


class Used(NamedTuple):
    """Names of the numbers and of the hashed categories that decide a probability."""

    numbers: list[str]
    categories: list[str]


def used(spec: LearnerSpec, domain: Domain) -> Used:
    """What of the domain's vector a learner uses, in the vector's order."""
    if spec.kind == "base_rate":
        return Used([], [])
    if spec.kind == "stack":
        seen = [used(part, domain) for part in parts(spec, domain)]
        numbers = dict.fromkeys(name for part in seen for name in part.numbers)
        categories = dict.fromkeys(name for part in seen for name in part.categories)
        order = inputs(domain, "all")
        return Used(
            [name for name in order.numerics if name in numbers],
            [name for name, _ in order.categories if name in categories],
        )
    found = inputs(domain, spec.columns)
    hashed = () if spec.kind in NUMBERS_ONLY else found.categories
    return Used(list(found.numerics), [name for name, _ in hashed])


def learned(spec: LearnerSpec, domain: Domain) -> str:
    """How its examples were learned, to be said after their number."""
    before = "; provisional labels were learned before, for a part of the weight"
    return _learned(spec, domain) + (before if domain.provisional else "")


def _learned(spec: LearnerSpec, domain: Domain) -> str:
    around, plain = wrapping(spec)
    said = [_way(plain, domain)]
    if around.keep < 1.0:
        said.append(f"but of the negatives only a share of {around.keep:g}")
    if around.positives != 1.0:
        said.append(f"positives with weight {around.positives:g}")
    if around.rehearse:
        said.append(f"kept positives again, {around.rehearse:g} for each positive in the mean")
    return ", ".join(said)


def _way(spec: LearnerSpec, domain: Domain) -> str:
    match spec.kind:
        case "base_rate":
            return "each counted once"
        case "adaptive_forest":
            draws = options(spec, AdaptiveForestOptions).draws
            return f"each learned {draws} times in the mean by every tree"
        case "boosting":
            chosen = options(spec, BoostingOptions)
            return f"each batch of {chosen.batch:,} learned by {chosen.grown} new trees"
        case "challenger":
            size = options(spec, ChallengerOptions).size
            return (
                f"trained anew, now and then, on a sample of at most {size:,} of them that favours "
                "the newest"
            )
        case "stack":
            each = [f"{part.name}: {_learned(part, domain)}" for part in parts(spec, domain)]
            return "; ".join([*each, "their blend: each learned once"])
    return "each learned once"
