"""What a card says is so: of features, time, learning and slices, through the training itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from online_models import cards
from online_models.learners import KINDS
from online_models.learners.usage import learned, used
from online_models.training import Training
from schemas import domains
from schemas.declare import Domain, LearnerSpec, Publishing
from tests.online_models import checks
from tests.online_models.made import PARTS, QUICK, learner, stream

FLIGHTS = domains.load("flights")
NUMBERS = [*(column.name for column in FLIGHTS.columns), *FLIGHTS.feature_names]
STATIC = [column.name for column in FLIGHTS.columns]
HASHED = [category.name for category in FLIGHTS.categories]


def spec_of(kind: str, columns: Any = "all", **options: Any) -> tuple[LearnerSpec, Domain]:
    """As `learner` of test_learners makes it."""
    spec = LearnerSpec(f"{kind}-{columns}", kind, columns, QUICK.get(kind, {}) | options)
    parts = tuple(LearnerSpec(f"part-{part}", part, columns, QUICK.get(part, {})) for part in PARTS)
    return spec, replace(FLIGHTS, learners=parts)


@pytest.mark.parametrize("columns", ["all", "static"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_card_lists_decides_and_what_it_leaves_out_does_not(kind: str, columns: str) -> None:
    numbers, categories = used(*spec_of(kind, columns))
    listed = {*numbers, *categories}
    length = 1_500 if kind == "hoeffding_tree" else 600
    made = checks.taught(learner(kind, columns), stream(length))
    asked = [vector for vector, _ in stream()[:150]]
    said = [made.predict(vector) for vector in asked]

    def without(gone: set[str]) -> list[float]:
        blind = [name in gone for name in FLIGHTS.vector_names]
        return [
            made.predict([math.nan if b else x for b, x in zip(blind, vector, strict=True)])
            for vector in asked
        ]

    assert without({*FLIGHTS.vector_names} - listed) == said
    for part in (numbers, categories):
        assert not part or without(set(part)) != said


@pytest.mark.parametrize(
    ("kind", "columns", "numbers", "categories"),
    [
        ("logistic", "static", STATIC, HASHED),
        ("base_rate", "all", [], []),
        ("adaptive_tree", "all", NUMBERS, []),
    ],
)
def test_training_tells_what_it_used_and_since_when(
    kind: str, columns: Any, numbers: list[str], categories: list[str]
) -> None:
    spec = LearnerSpec("one", kind, columns)
    domain = replace(FLIGHTS, learners=(spec,), publishing=Publishing(examples=3, time=10**12))
    rest = {"slices": {"carrier": "UA"}}
    batch = [
        {"id": str(time), "time": time, "asked": 0, "vector": v, "label": y, **rest}
        for time, (v, y) in zip((50, 10, 90, 5), stream(), strict=False)
    ]
    card = Training(domain, spec, seed=1).take(batch).card  # the fourth comes after the snapshot
    assert card is not None
    assert (card["since"], card["time"], card["version"]) == (10, 90, 3)
    assert (card["features"], card["categories"]) == (numbers, categories)
    said = cards.markdown(card, domain).split("## Features")[1].split("## Quality")[0]
    assert [name for name in FLIGHTS.vector_names if f"`{name}`" in said] == numbers + categories
    assert ("None." in said) == (not numbers)
    assert ("Categories are hashed" in cards.markdown(card, domain)) == bool(categories)


def test_a_number_and_a_category_of_one_column_are_told_apart() -> None:
    payments = domains.load("payments")
    found = used(payments.learners[1], payments)
    said = cards._features(found._asdict() | {"features": found.numbers})
    numbers, categories = said.split("\n\n")
    assert numbers.startswith("Numbers: `amount`")
    assert categories.startswith("Categories, hashed: `kind`")
    assert numbers.count("`hour`") == categories.count("`hour.bucket`") == 1


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("logistic", {}, "each learned once"),
        ("base_rate", {}, "each counted once"),
        ("logistic", {"keep": 0.1, "calibrate": True}, "of the negatives only a share of 0.1"),
        ("hoeffding_tree", {"positives": 3.0}, "positives with weight 3"),
        ("logistic", {"rehearse": 2.0}, "kept positives again, 2 for each positive"),
        ("adaptive_forest", {"draws": 4}, "each learned 4 times in the mean by every tree"),
        ("boosting", {}, "each batch of 50 learned by 2 new trees"),
        ("challenger", {"size": 5_000}, "on a sample of at most 5,000 of them"),
        ("stack", {}, "part-logistic: each learned once; part-boosting: each batch"),
    ],
)
def test_how_examples_are_learned_is_told_by_kind(kind: str, options: Any, told: str) -> None:
    assert told in learned(*spec_of(kind, **options))
    assert "provisional" not in learned(*spec_of(kind, **options))


def test_the_worst_slice_is_bad_for_its_rate_not_rare() -> None:
    def entropy(rate: float) -> float:
        return -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)

    slices = {
        "kind=risky": {"examples": 900, "rate": 0.3, "log_loss": entropy(0.3) - 0.1},
        "kind=safe": {"examples": 900, "rate": 0.01, "log_loss": entropy(0.01) + 0.02},
        "kind=sure": {"examples": 900, "rate": 0.0, "log_loss": 0.001},
        "kind=thin": {"examples": 900, "effective": 90.0, "rate": 0.1, "log_loss": 3.0},
    }
    assert slices["kind=risky"]["log_loss"] > 6 * slices["kind=safe"]["log_loss"]
    assert cards.excess(slices["kind=safe"]) == pytest.approx(0.02)
    assert cards.excess(slices["kind=sure"]) == 0.001
    assert cards.worst({"slices": slices}) == "kind=safe"
