"""A slip in a kind or an option of a learner is named, with the nearest right word or the range."""

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from online_models.learners import KINDS, make_all
from online_models.learners.adaptive_forest import AdaptiveForestOptions
from online_models.learners.adaptive_tree import AdaptiveTreeOptions
from online_models.learners.base_rate import BaseRateOptions
from online_models.learners.boosting import BoostingOptions
from online_models.learners.challenger import ChallengerOptions
from online_models.learners.logistic import LogisticOptions
from online_models.learners.options import AROUND, RANGES
from online_models.learners.stack import StackOptions
from online_models.learners.wrapped import Wrapping
from schemas import domains
from schemas.declare import DeclarationError, LearnerSpec

FLIGHTS = domains.load("flights")
OPTIONS: tuple[Any, ...] = (
    BaseRateOptions,
    LogisticOptions,
    AdaptiveTreeOptions,
    AdaptiveForestOptions,
    BoostingOptions,
    ChallengerOptions,
    StackOptions,
)


def test_every_kind_and_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "learners.md").read_text()
    options = [field.name for each in OPTIONS for field in fields(each)]
    assert [name for name in (*KINDS, *AROUND, *options) if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("oracle", {}, "no kind 'oracle'; there is base_rate, logistic"),
        ("adaptive_treee", {}, "no kind 'adaptive_treee'; did you mean 'adaptive_tree'"),
        ("logistic", {"raet": 0.15}, "logistic: no option 'raet'; did you mean 'rate'"),
        ("logistic", {"calibrat": True}, "no option 'calibrat'; did you mean 'calibrate'"),
        ("logistic", {"speed": 1}, "logistic: no option 'speed'; there is rate, eps"),
        ("logistic", {"rate": "fast"}, "rate 'fast'; expected a finite number, above 0"),
        ("logistic", {"rate": True}, "rate True; expected a finite number"),
        ("logistic", {"rate": math.nan}, "rate nan; expected a finite number"),
        ("logistic", {"focal": -3}, "focal -3; expected a finite number, 0 or more"),
        ("logistic", {"eps": 0}, "eps 0; expected a finite number, above 0"),
        ("base_rate", {"strength": 0.0}, "strength 0.0; expected a finite number, above 0"),
        ("adaptive_tree", {"delta": 1.0}, "delta 1.0; expected .* above 0 and below 1"),
        ("adaptive_forest", {"trees": 2.5}, "trees 2.5; expected a whole number, 1 or more"),
        ("challenger", {"leaves": 1}, "leaves 1; expected a whole number, 2 or more"),
        ("boosting", {"share": 1.5}, "share 1.5; expected a finite number, above 0 and at most 1"),
        ("boosting", {"calibrate": "yes"}, "calibrate 'yes'; expected True or False"),
        ("logistic", {"keep": 0.0}, "keep 0.0; expected a finite number, above 0 and at most 1"),
        ("stack", {"parts": "logistic"}, "parts 'logistic'; expected names in a tuple"),
        ("stack", {"calibrate": True}, "calibrate around a stack; expected around its parts"),
    ],
)
def test_slips_in_a_learner_are_named(kind: str, options: dict[str, Any], told: str) -> None:
    spec = LearnerSpec("x", kind, options=options)
    with pytest.raises(DeclarationError, match=f"learner 'x': .*{told}"):
        make_all(replace(FLIGHTS, learners=(*FLIGHTS.learners, spec)))


def test_every_option_has_a_range() -> None:
    assert tuple(field.name for field in fields(Wrapping)) == AROUND
    numbers = {
        field.name
        for each in (Wrapping, *OPTIONS)
        for field in fields(each)
        if field.type in ("int", "float")
    }
    assert numbers - {"beta"} == set(RANGES)
