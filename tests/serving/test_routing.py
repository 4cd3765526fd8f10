"""Servers that follow the same routes choose alike, stick to it, and say with what probability."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from infra import topics
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models.routes.route import Edition
from online_models.routes.specs import ANY, PolicySpec
from schemas.declare import DAY, HOUR, Domain, Routing
from serving import route_desk
from serving.models import Model, base_rate
from serving.route_cache import RouteCache
from serving.router import FixedRouter, RoutedRouter

START = 1_372_636_800_000 // DAY * DAY
PREDICTION: dict[str, Any] = {
    "vector": [], "probability": 0.5, "model": "m", "version": 1, "arm": "m", "propensity": 1.0,
    "policy": "fixed", "degraded": [], "positions": [], "slices": {}, "unit": "", "seen": 1.0,
    "model_ms": 0.1,
}  # fmt: skip
SHARES = {"logistic": 0.6, "tree": 0.3, "base-rate": 0.1}


def model(name: str) -> Model:
    return Model(name, 1, lambda vectors: np.full(len(vectors), 0.5), "logistic")


MODELS = {name: model(name) for name in ("logistic", "tree")}


def route(*editions: tuple[int, dict[str, float]], version: int = 0) -> dict[str, Any]:
    return {
        "time": START,
        "policy": "split",
        "version": version,
        "posteriors": [],
        "editions": [
            {"since": since, "policy": f"split@{version}", "shares": {ANY: shares}}
            for since, shares in editions
        ],
        "withdrawn": [],
        "stage": -1,
        "outcome": "",
        "reason": "",
    }


@dataclasses.dataclass
class World:
    """The topics of policies and routes, and two servers that follow them."""

    domain: Domain
    sender: Sender
    caches: list[RouteCache]

    def publish(self, name: str, record: dict[str, Any]) -> None:
        stream = {"policy": "policies", "route": "routes"}[name]
        self.sender.send(stream, name, record, name)
        self.sender.flush()

    def routers(self) -> list[RoutedRouter]:
        return [RoutedRouter(self.domain, lambda each=each: each.route) for each in self.caches]  # type: ignore[misc]

    def until(self, true: Callable[[RouteCache], bool]) -> None:
        end = time.monotonic() + 10
        while not all(map(true, self.caches)):
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.005)


@pytest.fixture
def world(settings: Settings, domain: Domain) -> Iterator[World]:
    domain = dataclasses.replace(domain, routing=Routing(sticky=("flight",), sticky_for=DAY))
    topics.create_topics(settings, domain)
    caches = [RouteCache(settings, domain, registry(settings)) for _ in range(2)]
    made = World(domain, Sender(settings, domain, registry(settings)), caches)
    for cache in caches:
        cache.start()
    yield made
    for cache in caches:
        cache.stop()


def asked(number: int, at: int = START + DAY) -> dict[str, Any]:
    return {"id": f"r{number}.{at}", "flight": f"UA{number}", "at": at}


def test_without_a_route_the_declared_arm_answers(world: World) -> None:
    world.until(lambda cache: cache.caught_up.is_set())
    models = {**MODELS, world.domain.served: base_rate(world.domain)}
    wanted = FixedRouter(world.domain).choose(asked(1), models)
    assert [router.choose(asked(1), models) for router in world.routers()] == [wanted] * 2
    assert (wanted.arm, wanted.propensity) == (world.domain.served, 1.0)


def test_two_servers_agree_and_frequencies_are_the_propensities(world: World) -> None:
    world.publish("route", route((START - DAY, SHARES)))
    world.until(lambda cache: cache.route is not None)
    models = {**MODELS, "base-rate": base_rate(world.domain)}
    one, two = ([r.choose(asked(n), models) for n in range(5_000)] for r in world.routers())
    assert one == two
    assert all(choice.propensity == pytest.approx(SHARES[choice.arm]) for choice in one)
    assert {choice.policy for choice in one} == {"split@0"}
    counts = Counter(choice.arm for choice in one)
    expected = [5_000 * SHARES[arm] for arm in sorted(SHARES)]
    assert chisquare([counts[arm] for arm in sorted(SHARES)], expected).pvalue > 0.001


def test_an_arm_without_a_model_leaves_its_share_to_the_others(world: World) -> None:
    world.publish("route", route((START - DAY, SHARES)))
    world.until(lambda cache: cache.route is not None)
    models = {"logistic": MODELS["logistic"], "base-rate": base_rate(world.domain)}
    router = world.routers()[0]
    choices = [router.choose(asked(n), models) for n in range(3_000)]
    said = {choice.arm: choice.propensity for choice in choices}
    assert said == {"logistic": pytest.approx(0.6 / 0.7), "base-rate": pytest.approx(0.1 / 0.7)}
    only = router.choose(asked(1), {"base-rate": models["base-rate"]})
    assert (only.arm, only.propensity) == ("base-rate", 1.0)


def test_a_key_keeps_its_arm_through_an_update_and_takes_it_up_afterwards(world: World) -> None:
    first, second = (START - DAY, {"logistic": 1.0}), (START + DAY, {"tree": 1.0})
    world.publish("route", route(first))
    world.until(lambda cache: cache.route is not None)
    router, later = world.routers()[0], START + DAY + HOUR
    before = [router.choose(asked(n, START + DAY - HOUR), MODELS).arm for n in range(100)]
    world.publish("route", route(first, second))
    world.until(lambda cache: cache.route is not None and len(cache.route.editions) == 2)
    soon = [router.choose(asked(n, later), MODELS).arm for n in range(100)]
    then = [router.choose(asked(n, START + 3 * DAY), MODELS).arm for n in range(100)]
    assert set(before) == {"logistic"}
    assert soon.count("logistic") > 85, "only keys whose time began since the edition change"
    assert set(then) == {"tree"}


def test_policies_hold_before_the_flow_has_taken_them_up(world: World) -> None:
    """Every one for what began in its time; the edition of tomorrow was made before them."""
    tomorrow = (START + DAY, SHARES)
    world.publish("route", route((START - DAY, SHARES), tomorrow))
    asked_for = [
        PolicySpec("fixed", n, START + n * HOUR, {arm: 1.0})
        for n, arm in enumerate(("tree", "logistic"), 1)
    ]
    for spec in reversed(asked_for):
        world.publish("policy", spec.record())
    world.until(lambda cache: cache.route is not None and len(cache.route.editions) == 3)
    router = world.routers()[1]
    held = [router.choose(asked(n, START + 12 * HOUR), MODELS) for n in range(1_000)]
    found = {choice.policy: choice.arm for choice in held}
    assert (found["fixed@1"], found["fixed@2"]) == ("tree", "logistic")
    taken = route((START - DAY, SHARES), *((one.since, dict(one.arms)) for one in asked_for))
    for edition, spec in zip(taken["editions"][1:], asked_for, strict=True):
        edition["policy"] = spec.logged
    before = [cache.route for cache in world.caches]
    world.publish("route", {**taken, "version": 2})
    world.until(lambda cache: all(cache.route is not each for each in before))
    assert [cache.route for cache in world.caches] == before


def test_a_policy_is_asked_for_behind_those_before_and_what_the_flow_knows(
    world: World, settings: Settings
) -> None:
    world.publish("policy", PolicySpec("fixed", 1, 1, {"tree": 1.0}).record())
    world.publish("route", route((START - DAY, SHARES), version=1))
    for arm in ("logistic", "tree"):
        route_desk.ask(settings, world.domain, "fixed", arm, {}, "")
    found = route_desk.newest(settings, world.domain)
    assert [spec.logged for spec in found.policies] == ["fixed@1", "fixed@2", "fixed@3"]
    assert {spec.since for spec in found.policies[1:]} == {START}, "what the flow knows"


def test_a_new_generation_begins_with_the_policies_of_the_first(
    world: World, settings: Settings
) -> None:
    """Before its flow has made a route; what is asked for there lies after what was."""
    world.publish("route", route((START - DAY, SHARES)))
    route_desk.ask(settings, world.domain, "fixed", "tree", {}, "")
    world.until(lambda cache: cache.route is not None and len(cache.route.editions) == 2)
    again = dataclasses.replace(world.domain, generation="again")
    topics.create_topics(settings, again)
    cache = RouteCache(settings, again, registry(settings))
    cache.start()
    try:
        assert cache.caught_up.wait(10)
        assert cache.route
        assert [(e.policy, e.since) for e in cache.route.editions] == [("fixed@1", START)]
    finally:
        cache.stop()
    spec = route_desk.ask(settings, again, "fixed", "logistic", {}, "")
    assert (spec.version, spec.since) == (2, START)
    last = Edition(START, spec.logged, {ANY: {"logistic": 1.0}})
    world.until(lambda each: each.route is not None and each.route.editions[-1] == last)


def test_of_two_policies_of_one_version_the_first_counts_everywhere(
    world: World, settings: Settings
) -> None:
    for arm in ("tree", "logistic", "tree", "logistic", "logistic"):
        world.publish("policy", PolicySpec("fixed", 1, START, {arm: 1.0}).record())
    world.publish("route", route((START - DAY, SHARES)))
    world.until(lambda cache: cache.route is not None and len(cache.route.editions) == 2)
    assert {router.choose(asked(1), MODELS).arm for router in world.routers()} == {"tree"}
    [found] = route_desk.newest(settings, world.domain).policies
    assert dict(found.arms) == {"tree": 1.0}


def test_a_wrong_policy_on_the_topic_does_not_keep_the_next_from_being_asked_for(
    world: World, settings: Settings
) -> None:
    wrong = PolicySpec("split", 6, START, {"tree": math.nan}).record()
    world.publish("policy", wrong)
    spec = route_desk.ask(settings, world.domain, "fixed", "tree", {}, "")
    assert spec.logged == "fixed@7"
    assert [one.logged for one in route_desk.newest(settings, world.domain).policies] == ["fixed@7"]
    world.until(lambda cache: cache.route is not None)
    assert {router.choose(asked(1), MODELS).arm for router in world.routers()} == {"tree"}


def test_the_newest_time_asked_about_is_found_on_whatever_partition(
    world: World, settings: Settings
) -> None:
    assert route_desk.newest_asked(settings, world.domain) == 0
    ids = [*(f"r{number}" for number in range(12)), "r11"]
    for id_, past in zip(ids, (*range(12), 5), strict=True):  # an old question after the newest
        record = {**PREDICTION, "id": id_, "time": START + past}
        world.sender.send("predictions", "prediction", record, id_)
    world.sender.flush()
    assert route_desk.newest_asked(settings, world.domain) == START + 11


def test_what_is_no_route_leaves_the_one_before_in_place(world: World) -> None:
    world.publish("route", route((START - DAY, SHARES)))
    world.until(lambda cache: cache.route is not None)
    held = [cache.route for cache in world.caches]
    world.sender.send_bytes(world.domain.topic("routes"), "route", b"rubbish")
    wrong = {**PolicySpec("fixed", 1, START, {"tree": 1.0}).record(), "name": "fixt"}
    world.publish("policy", wrong)
    world.publish("route", route((START - DAY, SHARES), (START, SHARES)))
    world.until(lambda cache: cache.route is not None and len(cache.route.editions) == 2)
    assert all(cache.route is not before for cache, before in zip(world.caches, held, strict=True))
    world.sender.send_bytes(world.domain.topic("routes"), "route", None)
    world.sender.flush()
    world.until(lambda cache: cache.route is None)
