"""Holds a domain's label and learners against what can be told from the declaration alone.

The options of each kind of learner are checked by `online_models.learners.make_all`.
"""

from __future__ import annotations

from numbers import Real
from typing import get_args

from schemas.checks import above, distinct, finite, known
from schemas.declare import REACTIONS, DeclarationError, Domain, LearnerSpec, Unlabelled
from schemas.declare.learning import Columns
from schemas.validate_loop import check_publishing


def check_label(domain: Domain) -> None:
    """A deadline in the future, and what it means that it has passed."""
    where, label = f"{domain.name}: label", domain.label
    above(where, "deadline", label.deadline, " ms")
    if not isinstance(label.missing, Unlabelled):
        words = " or ".join(f"Unlabelled.{word.name}" for word in Unlabelled)
        raise DeclarationError(f"{where}: missing {label.missing!r}; expected {words}")


def check_learners(domain: Domain) -> None:
    """Learners of different names, a base rate among them, the served one, and their snapshots."""
    distinct(domain.name, "learners", domain.learner_names)
    for learner in domain.learners:
        _check_learner(domain, learner, f"{domain.name}: learner {learner.name!r}")
    kinds = [learner.kind for learner in domain.learners]
    if "base_rate" not in kinds:
        raise DeclarationError(
            f"{domain.name}: learners of the kinds {', '.join(kinds) or '(none)'}; expected one of "
            'the kind base_rate among them, such as LearnerSpec("base-rate", "base_rate")'
        )
    known(f"{domain.name}: served", "learner", domain.served, domain.learner_names)
    check_publishing(domain.publishing, f"{domain.name}: publishing")


def _check_learner(domain: Domain, learner: LearnerSpec, where: str) -> None:
    known(where, "kind", learner.kind, REACTIONS)
    known(where, "columns", learner.columns, get_args(Columns))
    for name, value in learner.options.items():
        if isinstance(value, Real):
            finite(where, f"option {name}", value)
    if learner.kind == "stack":
        _check_parts(domain, learner, where)


def _check_parts(domain: Domain, stack: LearnerSpec, where: str) -> None:
    parts = stack.options.get("parts", ())
    if not isinstance(parts, tuple | list):
        raise DeclarationError(f"{where}: parts {parts!r}; expected names in a tuple")
    fit = [learner.name for learner in domain.learners if learner.kind != "stack"]
    for part in parts:
        known(where, "part", part, fit)
