"""Learners by kind. A new kind is one line in KINDS and one in `schemas.declare`.

The law checks run over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from online_models.learners import (
    adaptive_forest,
    adaptive_tree,
    base_rate,
    boosting,
    challenger,
    hoeffding_tree,
    logistic,
    stack,
    wrapped,
)
from online_models.learners.learner import Learner, Reaction
from schemas.checks import known
from schemas.declare import Domain, LearnerSpec

__all__ = ["KINDS", "Learner", "Reaction", "make", "make_all"]


def make(spec: LearnerSpec, domain: Domain, seed: int) -> Learner:
    """A learner that has learned nothing; raises DeclarationError for an unknown kind or option.

    So it does for an option whose value has no sense.
    """
    known(f"learner {spec.name!r}", "kind", spec.kind, KINDS)
    around, plain = wrapped.wrapping(spec)
    tilted = replace(domain, prior=around.tilted(domain.prior)) if around.resamples else domain
    learner = KINDS[spec.kind](plain, tilted, seed)
    if around.resamples:
        learner = wrapped.Resampled(learner, around, domain.prior, seed)
    return wrapped.Calibrated(learner) if around.calibrate else learner


def make_all(domain: Domain, seed: int = 0) -> list[Learner]:
    """Every learner of the domain, so that a slip in any is told before one is needed.

    Raises DeclarationError as `make` does.
    """
    return [make(spec, domain, seed) for spec in domain.learners]


KINDS: Mapping[str, Callable[[LearnerSpec, Domain, int], Learner]] = {
    "base_rate": base_rate.make,
    "logistic": logistic.make,
    "hoeffding_tree": hoeffding_tree.make,
    "adaptive_tree": adaptive_tree.make,
    "adaptive_forest": adaptive_forest.make,
    "boosting": boosting.make,
    "challenger": challenger.make,
    "stack": stack.maker(make),
}
