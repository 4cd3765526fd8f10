"""A slip in a declaration is named before anything runs."""

import math
from dataclasses import replace
from typing import Any

import pytest

from schemas.declare import (
    DAY,
    HOUR,
    Category,
    DeclarationError,
    Domain,
    Drift,
    Entity,
    Feature,
    Label,
    LearnerSpec,
    Provisional,
    Publishing,
    React,
    Routing,
    Sample,
    Stopping,
    Unlabelled,
    balance,
    count,
    decayed_mean,
    last,
    mean,
    ratio,
)
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


@pytest.mark.parametrize(
    ("slip", "named"),
    [
        (last("departed", "delay", within=0), "within 0; expected a finite number above 0 ms"),
        (replace(last("departed", "delay", HOUR), by="scheduled"), "by 'scheduled'; expected"),
        (balance("departed", "departed", by="time", over=HOUR), "'departed' minus itself"),
        (count("departed", 12 * HOUR + 1), "window of 43200001 ms; expected"),
        (ratio(ratio(count("departed", 1), count("departed", HOUR)), count("departed", HOUR)),
         "window of 1 ms; expected"),
        (mean("departed", "leg", HOUR), "field 'leg' is string; expected boolean or double"),
        (balance("departed", "landed", by="delay", over=HOUR), "'delay' is .*; expected long"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_slips_in_a_feature(flights: Domain, slip: Feature, named: str) -> None:
    with pytest.raises(DeclarationError, match=f"feature '.*{named}"):
        validate(replace(flights, entities=(Entity("origin", ("origin",), (slip,)),)))


def test_features_that_are_sound(flights: Domain) -> None:
    recent, delay = last("departed", "delay", within=1_000), mean("departed", "delay", DAY)
    sound = (recent, ratio(ratio(delay, count("departed", HOUR)), delay))
    domain = validate(replace(flights, entities=(Entity("origin", ("origin",), sound),)))
    assert domain.horizon == DAY


def test_a_category_needs_two_buckets(flights: Domain) -> None:
    assert validate(replace(flights, categories=(Category(("carrier",), buckets=2),)))
    with pytest.raises(DeclarationError, match=r"category 'carrier': buckets 1; expected .* 2 or"):
        validate(replace(flights, categories=(Category(("carrier",), buckets=1),)))


def test_the_time_of_an_event_is_a_long(flights: Domain) -> None:
    fields = [{"name": "time", "type": ["null", "long"]}, {"name": "origin", "type": "string"}]
    weather = {"type": "record", "name": "weather", "fields": fields}
    with pytest.raises(DeclarationError, match="'weather': field 'time' is long or null; expected"):
        validate(replace(flights, schemas={**flights.schemas, "weather": weather}))


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
        ({"columns": "satic"}, "no columns 'satic'; did you mean 'static'"),
        ({"kind": "stack", "options": {"parts": ("tree", "tere")}}, "no part 'tere'; did you mean"),
        (
            {"kind": "stack", "options": {"parts": ("stack",)}},
            "no part 'stack'; there is base-rate",
        ),
        (
            {"kind": "stack", "options": {"parts": "tree"}},
            "parts 'tree'; expected names in a tuple",
        ),
    ],
)
def test_slips_in_a_learner(flights: Domain, slip: Any, named: str) -> None:
    spec = LearnerSpec(**{"name": "x", "kind": "logistic", **slip})
    with pytest.raises(DeclarationError, match=f"learner 'x': {named}"):
        validate(replace(flights, learners=(*flights.learners, spec)))


def test_a_base_rate_is_always_there(flights: Domain) -> None:
    others = tuple(spec for spec in flights.learners if spec.kind != "base_rate")
    with pytest.raises(
        DeclarationError, match=r"kinds logistic, .*; expected one of the kind base_"
    ):
        validate(replace(flights, learners=others))


@pytest.mark.parametrize(
    ("slip", "named"),
    [
        ({"outcome": "chargebak"}, "reward: no event 'chargebak'; did you mean 'chargeback'"),
        ({"of": "paymnt"}, "event 'chargeback': no field 'paymnt'; did you mean 'payment'"),
        ({"of": ""}, "event 'chargeback': no field ''"),
    ],
)
def test_slips_in_what_a_decision_hides(slip: Any, named: str) -> None:
    payments = load("payments")
    assert isinstance(payments.routing.reward, Stopping)
    routing = replace(payments.routing, reward=replace(payments.routing.reward, **slip))
    with pytest.raises(DeclarationError, match=named):
        validate(replace(payments, routing=routing))


def test_label_has_a_deadline_and_says_what_silence_means(flights: Domain) -> None:
    with pytest.raises(
        DeclarationError, match="label: deadline 0; expected a finite number above 0 ms"
    ):
        validate(replace(flights, label=Label(0, Unlabelled.DROP)))
    silent: Any = "negative"
    with pytest.raises(DeclarationError, match=r"missing 'negative'; expected Unlabelled.DROP or"):
        validate(replace(flights, label=Label(DAY, silent)))


@pytest.mark.parametrize(
    ("slip", "named"),
    [
        ({"event": "depatred"}, "no event 'depatred'; did you mean 'departed'"),
        ({"id": "legs"}, "no field 'legs'; did you mean 'leg'"),
        ({"value": "delya"}, "no field 'delya'; did you mean 'delay'"),
        ({"weight": 1.0}, "weight 1.0; expected in"),
        ({"label": 0.5}, "label 0.5; expected 0 or 1"),
        ({"at_least": -math.inf}, "fires always"),
        ({"at_least": math.nan, "at_most": 5.0}, "never fires, at_least nan"),
        ({"at_least": 5.0, "at_most": 4.0}, "never fires, at_least 5.0"),
    ],
)
def test_slips_in_a_provisional_label(flights: Domain, slip: Any, named: str) -> None:
    sound = Provisional("late", "departed", "leg", "delay", label=1.0, weight=0.3, at_least=45.0)
    assert validate(replace(flights, provisional=(sound,))).provisional == (sound,)
    with pytest.raises(DeclarationError, match=named):
        validate(replace(flights, provisional=(replace(sound, **slip),)))
    with pytest.raises(DeclarationError, match="two provisional labels share a name"):
        validate(replace(flights, provisional=(sound, sound)))


@pytest.mark.parametrize(
    ("slip", "named"),
    [
        (React("rase_rate"), "no reaction 'rase_rate'; did you mean 'raise_rate'"),  # type: ignore[arg-type]
        (React("reset", to=("concpet",)), "no kind of drift 'concpet'; did you mean 'concept'"),  # type: ignore[arg-type]
        (React("reset", to="concept"), "to 'concept'; expected a tuple"),  # type: ignore[arg-type]
        (React("reset", to=()), "expected some of covariate, label, concept"),
        (React("reset", learners=("tre",)), "no learner 'tre'; did you mean 'tree'"),
        (React("retrain", learners=("tree",)), "tree cannot do that; expected of challenger"),
        (React("raise_rate", learners=("tree", "logistic")), "'raise_rate': tree cannot do that"),
        (React("explore", learners=("tree",)), "expected none: the router explores"),
    ],
    ids=str,
)
def test_slips_in_a_reaction_to_drift(flights: Domain, slip: React, named: str) -> None:
    with pytest.raises(DeclarationError, match=named):
        validate(replace(flights, drift=Drift(reactions=(slip,))))


@pytest.mark.parametrize(
    ("slip", "named"),
    [
        ({"short": 1.5}, "short 1.5; expected a whole number, 1 or more"),
        ({"long": 7.0}, "long 7.0; expected a whole number"),
        (
            {"long": 8},
            r"reference 4838400000 ms; expected 8 windows of long blocks at least, 5529600000 ms",
        ),
        ({"calm": 20}, r"reference 4838400000 ms; expected 3 windows of calm blocks at least"),
        ({"records": 2.5}, "records 2.5; expected a whole number"),
        ({"block": DAY / 2}, "block 43200000.0; expected a whole number, 1 ms or more"),
        ({"per": 30}, r"per 30 ms; expected a block \(86400000 ms\) at least, such as 30 \* DAY"),
        ({"reactions": React("reset")}, r"reactions React.*; expected a tuple: \(React"),
        ({"reactions": ("reset",)}, "reaction 'reset'; expected a React"),
    ],
    ids=str,
)
def test_slips_in_the_watch_for_drift(flights: Domain, slip: dict[str, Any], named: str) -> None:
    with pytest.raises(DeclarationError, match=f"flights: drift: {named}"):
        validate(replace(flights, drift=Drift(**slip)))


def test_a_reaction_that_no_learner_can_do_is_refused(flights: Domain) -> None:
    plain, calibrated = (
        LearnerSpec("only", "hoeffding_tree", options={"calibrate": on}) for on in (False, True)
    )
    alone = replace(
        flights, served="only", routing=Routing(), drift=Drift(reactions=(React("reset"),))
    )
    base = LearnerSpec("base-rate", "base_rate")
    assert validate(replace(alone, learners=(base, calibrated)))
    with pytest.raises(DeclarationError, match="only cannot do that; no learner"):
        validate(replace(alone, learners=(base, plain)))


def test_reactions_that_take_effect_are_sound(flights: Domain) -> None:
    sound = (
        React("reset"),
        React("retrain", learners=("challenger",)),
        React("raise_rate", to=("covariate",), learners=("boosting", "logistic")),
        React("explore", to=("concept",)),
    )
    assert validate(replace(flights, drift=Drift(reactions=sound)))


NUMBERS: list[tuple[str, Any, list[str]]] = [
    ("drift", Drift(), ["false_alarms", "per", "warm_up", "reference", "block", "records", "short",
                        "long", "calm", "late"]),
    ("routing", Routing(), ["sticky_for", "half_life", "every"]),
    ("label", Label(HOUR, Unlabelled.DROP), ["deadline"]),
    ("publishing", Publishing(1, 1), ["examples", "time"]),
]  # fmt: skip


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "1"])
@pytest.mark.parametrize(
    ("part", "sound", "name"),
    [(part, sound, name) for part, sound, names in NUMBERS for name in names],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_number_that_is_none_is_named(
    flights: Domain, part: str, sound: Any, name: str, value: Any
) -> None:
    assert validate(replace(flights, **{part: sound}))
    with pytest.raises(DeclarationError, match=f"{part}: {name} .*; expected"):
        validate(replace(flights, **{part: replace(sound, **{name: value})}))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_within_parts_are_finite_too(flights: Domain, value: float) -> None:
    payments = load("payments")
    spec = LearnerSpec("stack", "logistic", options={"rate": value})
    feature = decayed_mean("departed", "delay", half_life=value, over=HOUR)  # type: ignore[arg-type]
    often = Publishing(examples=1, time=value)  # type: ignore[arg-type]
    wrong = [
        replace(payments, routing=Routing(reward=Stopping("amount", cost=value, threshold=0.5))),
        replace(flights, routing=Routing("ucb", options={"width": value})),
        replace(flights, routing=Routing(), learners=(spec,)),
        replace(flights, entities=(Entity("origin", ("origin",), (feature,)),)),
        replace(flights, samples=(Sample("s", "uniform", size=value),)),  # type: ignore[arg-type]
        replace(flights, samples=(Sample("s", "uniform", 1, half_life=value),)),  # type: ignore[arg-type]
        replace(flights, samples=(Sample("s", "uniform", 1, publishing=often),)),
        replace(flights, earliest=value),  # type: ignore[arg-type]
    ]
    for domain in wrong:
        with pytest.raises(DeclarationError, match=f"{value}; expected a finite number"):
            validate(domain)


@pytest.mark.parametrize(
    ("slip", "named"),
    [
        (Routing("tompson"), "no policy 'tompson'; did you mean 'thompson'"),
        (Routing(feedback="serve"), "no feedback 'serve'; did you mean 'served'"),  # type: ignore[arg-type]
        (Routing("ucb", arms=("tree", "tree")), "arms tree, tree; expected each once"),
        (Routing(arms=("tree", "stack")), "fixed with arms tree, stack; expected the one"),
    ],
    ids=str,
)
def test_slips_in_the_routing(flights: Domain, slip: Routing, named: str) -> None:
    with pytest.raises(DeclarationError, match=named):
        validate(replace(flights, routing=slip))


def test_slips_in_the_kind_of_a_learner(flights: Domain) -> None:
    for spec, named in (
        (LearnerSpec("stack", "stak"), "no kind 'stak'; did you mean 'stack'"),
        (LearnerSpec("stack", "stack", columns="statc"), "no columns 'statc'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(DeclarationError, match=named):
            validate(replace(flights, learners=(spec,)))


def test_two_parts_of_the_vector_may_not_share_a_name(flights: Domain) -> None:
    assert flights.category_names == tuple(category.name for category in flights.categories)
    assert load("payments").category_names == ("kind", "country", "hour.bucket")
    twice = (*flights.categories, replace(flights.categories[0], buckets=8))
    with pytest.raises(DeclarationError, match="two parts of the vector share a name"):
        validate(replace(flights, categories=twice))
