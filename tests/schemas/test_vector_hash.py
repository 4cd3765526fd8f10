"""The hash of the vector's declaration decides which logged vectors are learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from schemas.declare import Domain, decayed_mean
from schemas.domains import load

FLIGHTS = load("flights")
PINNED = {"flights": "b53f6125af68", "payments": "b88b4943d400"}


@pytest.mark.parametrize("name", PINNED)
def test_it_is_the_same_in_every_version_of_headrace(name: str) -> None:
    """Unless features change: else no log of before can be learned from."""
    assert load(name).vector_hash == PINNED[name]


def with_half_life(domain: Domain, half_life: int) -> Domain:
    """With a feature whose name does not tell its half-life."""
    first, *rest = domain.entities
    more = decayed_mean("departed", "delay", half_life, over=12 * half_life)
    features = (*first.features, replace(more, over=86_400_000, name="faded"))
    return replace(domain, entities=(replace(first, features=features), *rest))


def with_buckets(domain: Domain) -> Domain:
    first, *rest = domain.categories
    return replace(domain, categories=(replace(first, buckets=first.buckets + 1), *rest))


CHANGES: dict[str, Callable[[Domain], Domain]] = {
    "order": lambda domain: replace(domain, columns=domain.columns[::-1]),
    "entities' order": lambda domain: replace(domain, entities=domain.entities[::-1]),
    "one bucket more": with_buckets,
    "zone of the calendar": lambda domain: replace(domain, timezone="UTC"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_keeps_the_length_changes_it(change: str) -> None:
    changed = CHANGES[change](FLIGHTS)
    assert len(changed.vector_names) == len(FLIGHTS.vector_names)
    assert changed.vector_hash != FLIGHTS.vector_hash


def test_what_no_name_tells_changes_it() -> None:
    one, other = (with_half_life(FLIGHTS, half_life) for half_life in (3_600_000, 7_200_000))
    assert one.vector_names == other.vector_names
    assert one.vector_hash != other.vector_hash


def test_what_is_no_part_of_the_vector_does_not() -> None:
    changed = replace(FLIGHTS, learners=FLIGHTS.learners[:1], prior=0.5, generation="g2")
    assert changed.vector_hash == FLIGHTS.vector_hash
