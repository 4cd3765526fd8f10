"""A slip in a declaration is named before anything runs."""

import math
from dataclasses import replace
from typing import Any

import pytest

from schemas.declare import DeclarationError, Domain, Entity, Provisional, count, last, mean
from schemas.domains import load, names
from schemas.validate import validate


@pytest.fixture
def flights() -> Domain:
    return load("flights")


@pytest.mark.parametrize("name", names())
def test_every_shipped_domain_is_sound(name: str) -> None:
    assert load(name).name == name


def test_unknown_domain_names_the_nearest() -> None:
    with pytest.raises(DeclarationError, match="did you mean 'flights'"):
        load("fligths")


def test_unknown_event_of_a_feature(flights: Domain) -> None:
    entity = Entity("origin", ("origin",), (count("depatred", 3_600_000),))
    with pytest.raises(DeclarationError, match="no event 'depatred'; did you mean 'departed'"):
        validate(replace(flights, entities=(entity,)))


def test_unknown_field_of_a_feature(flights: Domain) -> None:
    entity = Entity("origin", ("origin",), (mean("departed", "delya", 3_600_000),))
    with pytest.raises(DeclarationError, match="no field 'delya'; did you mean 'delay'"):
        validate(replace(flights, entities=(entity,)))


def test_event_without_the_entity_key(flights: Domain) -> None:
    entity = Entity("dest", ("dest",), (last("weather", "temp", 3_600_000),))
    with pytest.raises(DeclarationError, match="event 'weather': no field 'dest'"):
        validate(replace(flights, entities=(entity,)))


def test_window_that_has_no_tiles(flights: Domain) -> None:
    entity = Entity("origin", ("origin",), (count("departed", 1_000),))
    with pytest.raises(DeclarationError, match="window of 1000 ms"):
        validate(replace(flights, entities=(entity,)))


def test_feature_declared_twice(flights: Domain) -> None:
    twice = (count("departed", 3_600_000),) * 2
    with pytest.raises(DeclarationError, match="declared twice"):
        validate(replace(flights, entities=(Entity("origin", ("origin",), twice),)))


def test_served_learner_must_exist(flights: Domain) -> None:
    with pytest.raises(DeclarationError, match="served: no learner 'logistics'"):
        validate(replace(flights, served="logistics"))


@pytest.mark.parametrize(
    ("slip", "named"),
    [
        ({"event": "depatred"}, "no event 'depatred'; did you mean 'departed'"),
        ({"id": "legs"}, "no field 'legs'; did you mean 'leg'"),
        ({"value": "delya"}, "no field 'delya'; did you mean 'delay'"),
        ({"weight": 1.0}, "weight 1.0; expected in"),
        ({"label": 0.5}, "label 0.5; expected 0 or 1"),
        ({"at_least": -math.inf}, "fires always"),
    ],
)
def test_slips_in_a_labelling_function(flights: Domain, slip: Any, named: str) -> None:
    sound = Provisional("late", "departed", "leg", "delay", label=1.0, weight=0.3, at_least=45.0)
    assert validate(replace(flights, provisional=(sound,))).provisional == (sound,)
    with pytest.raises(DeclarationError, match=named):
        validate(replace(flights, provisional=(replace(sound, **slip),)))
    with pytest.raises(DeclarationError, match="two labelling functions share a name"):
        validate(replace(flights, provisional=(sound, sound)))
