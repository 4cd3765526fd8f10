"""Every registered kind of learner keeps the laws of `checks.py`, whatever is around it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from online_models.learners import KINDS, Learner
from tests.online_models import checks
from tests.online_models.made import DOMAINS, learner, stream

LAWS = [
    law
    for name, law in vars(checks).items()
    if name.startswith("check_") and law.__module__ == checks.__name__
]


def keep(law: Callable[..., None], made: Learner, length: int, domain: str = "flights") -> None:
    """Checks a law on a learner that has learned nothing."""
    declared = DOMAINS[domain]
    given = {"prior": declared.prior, "categories": len(declared.categories)}
    wanted = list(inspect.signature(law).parameters)[2:]
    law(made, stream(length, domain=domain), **{name: given[name] for name in wanted})


@pytest.mark.parametrize("columns", ["all", "static"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("check_"))
def test_law(law: Callable[..., None], kind: str, columns: str) -> None:
    """The law's docstring says what must hold."""
    keep(law, learner(kind, columns), 1500 if kind == "hoeffding_tree" else 600)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("check_"))
def test_law_of_a_rare_class(law: Callable[..., None], kind: str) -> None:
    """The laws hold at a prior of 0.01 and few positives, too."""
    keep(law, learner(kind, domain="payments"), 400, "payments")


def test_payments_have_few_positives() -> None:
    assert 10 <= sum(label for _, label in stream(400, domain="payments")) <= 20


AROUND: dict[str, dict[str, Any]] = {
    "focal": {"focal": 2.0},
    "focal, undersampled, calibrated": {"focal": 2.0, "keep": 0.5, "calibrate": True},
    "weighted, rehearsed": {"positives": 3.0, "rehearse": 1.0, "kept": 50},
}
"""Options that change how a learner learns, not what it is."""


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("check_"))
def test_law_with_options(law: Callable[..., None], around: str) -> None:
    """The laws hold whatever a learner is given around it."""
    keep(law, learner("logistic", **AROUND[around]), 400)


def test_every_law_says_what_it_is() -> None:
    assert len(LAWS) >= 12
    assert all(law.__doc__ for law in LAWS)
