"""What the arms earn and which is chosen: functions of the log, and of nothing else."""

from __future__ import annotations

import dataclasses
import math
import pickle
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from scipy.stats import chisquare

from online_models.routes.earning import Earnings, Entry
from online_models.routes.policies import PolicyError
from online_models.routes.route import Edition, Route, posteriors_of, route_of
from online_models.routes.specs import ANY, OPTIONS, PolicySpec, checked, declared, shares, spec_of
from schemas import domains
from schemas.declare import DAY, HOUR, POLICIES, Domain, LearnerSpec, Routing, Stopping

START = 1_700_000_000_000 // DAY * DAY
ARMS = ("logistic", "tree", "base-rate")
SKILL = {"logistic": 1.0, "tree": 0.6, "base-rate": 0.0}


def domain_of(**routing: Any) -> Domain:
    given = {"policy": "thompson", "arms": ARMS, "half_life": 10 * DAY, **routing}
    learners = tuple(LearnerSpec(arm, "logistic") for arm in ARMS)
    return dataclasses.replace(domains.load("flights"), learners=learners, routing=Routing(**given))


def example(domain: Domain, number: int, draw: random.Random, **more: Any) -> dict[str, Any]:
    """One every ten minutes, labelled two hours after it was asked."""
    asked = START + number * HOUR // 6
    return {
        "id": f"e{number}",
        "time": asked + 2 * HOUR,
        "asked": asked,
        "vector": [0.0] * len(domain.vector_names),
        "label": float(draw.random() < 0.3),
        "probability": 0.3,
        "arm": draw.choice(ARMS),
        "policy": "thompson@0",
        "propensity": 1 / 3,
        "unit": f"e{number}",
        "seen": 1.0,
        "slices": {"carrier": draw.choice(["UA", "AA"]), "origin": "JFK"},
        **more,
    }


def score(of: dict[str, Any], arm: str, draw: random.Random) -> dict[str, Any]:
    """An arm's answer, the nearer to the label the more it can."""
    skill = SKILL[arm] * (1 if of["slices"]["carrier"] == "UA" else -1)
    odds = -0.85 + skill * (of["label"] - 0.5) + draw.gauss(0, 0.2)
    return {"id": of["id"], "learner": arm, "probability": 1 / (1 + math.exp(-odds))}


def stream(domain: Domain, number: int, seed: int = 1) -> list[Entry]:
    """Examples, each with the scores of all arms after it."""
    draw = random.Random(seed)
    out: list[Entry] = []
    for i in range(number):
        one = example(domain, i, draw)
        out += [("example", one), *(("score", score(one, arm, draw)) for arm in ARMS)]
    return out


def final(flow: Earnings, entries: Iterable[Entry]) -> dict[str, Any]:
    record = flow.take(entries)
    assert record
    return record


def mean(record: dict[str, Any], arm: str, context: str = ANY) -> float:
    return posteriors_of(record)[context][arm].mean


def test_arms_earn_by_slice_and_every_arm_keeps_its_explored_share() -> None:
    domain = domain_of(options={"explore": 0.03})
    record = final(Earnings(domain, 1), stream(domain, 600))
    # what UA gains AA loses, so the arms earn alike overall
    assert mean(record, "logistic", "carrier=UA") > 0 > mean(record, "logistic", "carrier=AA")
    assert min(record["editions"][-1]["shares"][ANY].values()) >= 0.01 - 1e-9


def test_a_contextual_policy_chooses_by_slice() -> None:
    domain = domain_of(policy="contextual", by="carrier", options={"explore": 0.03})
    record = final(Earnings(domain, 1), stream(domain, 600))
    found = record["editions"][-1]["shares"]
    assert found["carrier=UA"]["logistic"] > 0.9
    assert found["carrier=AA"]["base-rate"] > 0.9
    assert all(sum(each.values()) == pytest.approx(1) for each in found.values())
    route = route_of(domain, record, [])
    assert route
    chosen = [route.choose({"id": f"{i}", "carrier": "UA"}, START, ARMS) for i in range(300)]
    assert Counter(c.arm for c in chosen if c)["logistic"] > 270
    unknown = route.choose({"id": "x", "carrier": "ZZ"}, START, ARMS)
    assert unknown
    assert unknown.propensity == pytest.approx(found[ANY][unknown.arm])


def test_batches_interleaving_and_crashes_decide_nothing() -> None:
    domain = domain_of()
    entries = stream(domain, 400)
    whole = final(Earnings(domain, 1), entries)
    flow, draw, last = Earnings(domain, 1), random.Random(3), None
    examples = [e for e in entries if e[0] == "example"]
    queues = [examples, *([e for e in entries if e[1].get("learner") == arm] for arm in ARMS)]
    while any(queues):
        queue = draw.choice([each for each in queues if each])
        size = draw.randrange(1, 60)
        record = flow.take(queue[:size])
        del queue[:size]
        last = record or last
        if draw.random() < 0.3:
            flow = Earnings.resume(domain, 1, pickle.loads(pickle.dumps(flow.state())))
    assert last == whole


def corrected(entry: Entry, *labels: tuple[str, float]) -> Entry:
    """An example that brings corrections of others."""
    name, record = entry
    told = [{"id": id_, "time": record["time"], "label": label} for id_, label in labels]
    return name, {**record, "corrections": told}


def test_copies_earn_nothing_and_corrections_replace() -> None:
    domain = domain_of()
    entries = stream(domain, 200)
    examples = [e for e in entries if e[0] == "example"]
    scores = [e for e in entries if e[0] == "score"]
    label = examples[9][1]["label"]
    changed = [*examples[:9], (examples[9][0], {**examples[9][1], "label": 1.0 - label})]
    plain = final(Earnings(domain, 1), [*changed, *examples[10:], *scores])
    late = Earnings(domain, 1)
    late.take([*entries[:120], *entries[:120]])
    told = [("e9", 1.0 - label), ("e9", label), ("e9", 1.0 - label), ("nobody", 1.0)]
    bringer = next(at for at, e in enumerate(entries) if e[0] == "example" and at > 120)
    entries[bringer] = corrected(entries[bringer], *told)
    rest = entries[120:]
    found = final(late, [*rest, *entries])
    wanted, have = posteriors_of(plain), posteriors_of(found)
    for context, arms in wanted.items():
        for arm, earned in arms.items():
            for part in ("weight", "total", "squares"):
                one = getattr(have[context][arm], part)
                assert one == pytest.approx(getattr(earned, part), abs=1e-9)


def test_copies_of_scores_that_come_before_their_example_earn_once() -> None:
    domain = domain_of()
    entries = stream(domain, 60)
    examples = [e for e in entries if e[0] == "example"]
    scores = [e for e in entries if e[0] == "score"]
    plain = final(Earnings(domain, 1), [*examples, *scores])
    assert final(Earnings(domain, 1), [*scores, *scores, *examples]) == plain


def test_a_slow_arm_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("online_models.routes.ledgers.PATIENCE", 100)
    domain = domain_of()
    entries = stream(domain, 300)
    flow = Earnings(domain, 1)
    flow.take(entries[:40])
    quick = [e for e in entries[40:] if e[1].get("learner") != "tree"]
    assert flow.take(quick[:200]) is None
    record = final(flow, quick[200:])
    assert posteriors_of(record)[ANY].keys() == set(ARMS)


def test_served_feedback_lets_only_the_arm_that_answered_earn() -> None:
    domain = domain_of(feedback="served")
    record = final(Earnings(domain, 1), stream(domain, 400))
    earned = posteriors_of(record)[ANY]
    assert sum(one.weight for one in earned.values()) < 400
    assert earned["tree"].mean == pytest.approx(-0.61, abs=0.1)


def test_a_seen_outcome_stands_for_the_hidden_ones() -> None:
    domain = domain_of()
    entries = [(n, {**r, "seen": 0.1} if n == "example" else r) for n, r in stream(domain, 50)]
    one, ten = final(Earnings(domain, 1), stream(domain, 50)), final(Earnings(domain, 1), entries)
    pair = (posteriors_of(each)[ANY]["tree"] for each in (one, ten))
    plain, weighed = pair
    assert weighed.weight == pytest.approx(10 * plain.weight)
    assert weighed.mean == pytest.approx(plain.mean)


def test_payments_earn_what_is_saved_less_what_stopping_costs() -> None:
    from online_models.routes.rewards import reward_of

    payments = dataclasses.replace(
        domains.load("payments"), routing=Routing(reward=Stopping("amount", 8.0, 0.2))
    )
    reward = reward_of(payments)
    vector = [math.nan] * len(payments.vector_names)
    assert reward.stake(vector) == 0
    vector[payments.vector_names.index("amount")] = 120.0
    stake = reward.stake(vector)
    assert [reward.of(p, label, stake) for p in (0.1, 0.2) for label in (0, 1)] == [0, 0, -8, 120]


def editions(*shares_of: tuple[int, dict[str, float]]) -> list[Edition]:
    return [Edition(since, f"split@{n}", {ANY: each}) for n, (since, each) in enumerate(shares_of)]


def test_a_key_keeps_its_arm_through_a_new_edition_until_its_time_is_over() -> None:
    before, after = {"a": 0.5, "b": 0.5}, {"a": 0.0, "b": 0.0, "c": 1.0}
    old = Route(editions((0, before)), sticky=("user",), sticky_for=DAY)
    new = Route(editions((0, before), (START + DAY // 2, after)), sticky=("user",), sticky_for=DAY)
    kept = 0
    for i in range(500):
        request = {"id": "r", "user": f"u{i}"}
        times = range(START, START + 3 * DAY, HOUR)
        arms = [new.choose(request, at, "abc") for at in times]
        units = [(one.unit, one.arm, one.propensity) for one in arms if one]
        assert len({unit for unit, *_ in units}) == len(set(units)), "a unit is one draw"
        assert 3 <= len(set(units)) <= 4
        kept += arms[12] == old.choose(request, START + DAY // 2, "abc")
        assert arms[-1]
        assert arms[-1].arm == "c"
    assert 480 <= kept <= 500, "all but those whose time began with the edition"


def test_frequencies_are_the_propensities_also_where_an_arm_is_missing_or_withdrawn() -> None:
    p = {"a": 0.1, "b": 0.3, "c": 0.6}
    (whole,) = editions((0, p))
    for route, there in (
        (Route([whole]), "abc"),
        (Route([whole]), "ab"),
        (Route([whole.without("a", "b")]), "abc"),
    ):
        chosen = [route.choose({"id": f"{i}"}, 0, there) for i in range(10_000)]
        counts = Counter(one.arm for one in chosen if one)
        said = {one.arm: one.propensity for one in chosen if one}
        assert sum(said.values()) == pytest.approx(1)
        expected = [10_000 * said[arm] for arm in sorted(counts)]
        assert chisquare([counts[arm] for arm in sorted(counts)], expected).pvalue > 0.001
    assert Route(editions((0, p))).choose({"id": "x"}, 0, "z") is None


def test_a_policy_that_the_flow_has_not_seen_holds_by_what_was_earned() -> None:
    domain = domain_of()
    record = final(Earnings(domain, 1), stream(domain, 400))
    spec = PolicySpec("split", 1, record["time"], {"tree": 1.0, "logistic": 3.0})
    route = route_of(domain, record, [spec])
    assert route
    assert route.editions[-1].shares == {ANY: {"tree": 0.25, "logistic": 0.75}}
    followed = Earnings(domain, 1)
    followed.take([("policy", spec.record()), *stream(domain, 100)])
    assert followed.editions[-1].policy == "thompson@0"
    taken = final(followed, stream(domain, 420)[400:])
    assert (taken["policy"], taken["version"]) == ("split", 1)
    assert route_of(domain, None, []) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "tompson"}, "did you mean 'thompson'"),
        ({"arms": {"tre": 1.0}}, "did you mean 'tree'"),
        ({"options": {"epsilon": 0.1}}, "option of thompson 'epsilon'; there is explore, prior"),
        ({"options": {"explore": 1.5}}, "expected a share"),
        ({"options": {"prior": 0.0}}, "above 0"),
        ({"name": "contextual", "by": "carier"}, "did you mean 'carrier'"),
        ({"name": "canary"}, "a canary has two arms"),
        ({"name": "split", "arms": {"tree": 0.0}}, "shares"),
        ({"name": "split", "arms": {"tree": 1.0, "logistic": math.nan}}, "expected finite"),
        ({"name": "split", "arms": {"tree": math.inf, "logistic": 1.0}}, "expected finite"),
        ({"arms": {"tree": math.nan}}, "thompson with shares, tree=nan; .* only a split"),
        ({"name": "canary", "arms": {"tree": 0.9, "logistic": 0.1}}, "canary with shares, tree"),
        ({"name": "fixed", "arms": {"tree": 1.0, "logistic": 1.0}}, "expected the one that"),
        ({"name": "shadow", "arms": {"tree": 1.0, "logistic": 1.0}}, "arms tree, logistic; "),
        ({"by": "carrier"}, "thompson by 'carrier'; .*only contextual"),
    ],
)
def test_a_wrong_policy_is_named(wrong: dict[str, Any], said: str) -> None:
    domain = domain_of()
    spec = dataclasses.replace(PolicySpec("thompson", 1, 0, {}), **wrong)
    with pytest.raises(PolicyError, match=said):
        checked(domain, spec)
    with pytest.raises(PolicyError, match=said):
        spec_of(domain, spec.record())


def test_the_declared_policies_are_those_that_there_are() -> None:
    assert set(OPTIONS) == set(POLICIES)


def test_an_arm_named_twice_is_refused_in_a_record_and_in_a_declaration() -> None:
    record = PolicySpec("split", 1, 0, {"tree": 1.0}).record()
    with pytest.raises(PolicyError, match="arm 'tree' is named twice"):
        spec_of(domain_of(), {**record, "arms": record["arms"] * 2})
    with pytest.raises(PolicyError, match="arm 'tree' is named twice"):
        declared(domain_of(arms=("tree", "tree")))


def test_the_usual_routing_is_the_served_learner_alone() -> None:
    domain = dataclasses.replace(domains.load("flights"), routing=Routing())
    assert shares(declared(domain), {}) == {ANY: {domain.served: 1.0}}
