"""A policy begins when it was asked for: on servers before the flow has it, and just so after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from online_models.routes.earning import Earnings, Entry
from online_models.routes.route import Route, route_of
from online_models.routes.specs import ANY, PolicySpec
from schemas.declare import DAY, HOUR, Domain
from tests.online_models.test_routing import ARMS, START, domain_of, final, stream

DOMAIN = domain_of(every=DAY, sticky=("flight",), sticky_for=DAY, options={"explore": 0.3})
ASKED = START + 5 * DAY + 2 * HOUR
"""Two hours after an edition has begun, when that of the next day is made already."""
FIXED = PolicySpec("fixed", 1, ASKED, {"base-rate": 1.0})
POLICIES = [
    FIXED,
    PolicySpec("split", 1, ASKED, {"tree": 1.0, "logistic": 3.0}),
    PolicySpec("thompson", 1, ASKED, dict.fromkeys(ARMS, 1.0)),
    PolicySpec("canary", 1, ASKED, {"tree": 1.0, "logistic": 1.0}),
]


def logged(specs: Sequence[PolicySpec] = (), days: int = 7) -> list[Entry]:
    """Examples with their scores, and the policies where they begin: the order of a replay."""
    entries, waiting = stream(DOMAIN, days * 144), list(specs)
    out: list[Entry] = []
    for entry in entries:
        while waiting and entry[0] == "example" and entry[1]["time"] >= waiting[0].since:
            out.append(("policy", waiting.pop(0).record()))
        out.append(entry)
    return out


def until(time: int, entries: Sequence[Entry]) -> list[Entry]:
    """The entries before the first example of that time."""
    end = next(
        n for n, (name, one) in enumerate(entries) if name == "example" and one["time"] >= time
    )
    return list(entries[:end])


def chosen(route: Route | None, at: int) -> list[Any]:
    assert route
    asked = [{"flight": f"UA{n}", "id": f"q{n}"} for n in range(2_000)]
    return [route.choose(request, at, ARMS) for request in asked]


def served(domain: Domain, record: dict[str, Any], *specs: PolicySpec) -> Route:
    route = route_of(domain, record, specs)
    assert route
    return route


@pytest.mark.parametrize("spec", POLICIES, ids=lambda spec: spec.name)
def test_servers_go_on_as_they_began_when_the_flow_takes_it_up(spec: PolicySpec) -> None:
    flow = Earnings(DOMAIN, 1)
    before = served(DOMAIN, final(flow, until(ASKED, logged())), spec)
    after = served(DOMAIN, final(flow, [("policy", spec.record())]), spec)
    assert after == before
    assert [edition.since for edition in after.editions[-2:]] == [START + 5 * DAY, ASKED]
    began = [one.policy for one in chosen(before, ASKED + DAY)]
    assert set(began) == {spec.logged}, "all whose time began since"


def test_no_key_goes_back_while_the_flow_is_behind() -> None:
    """The flow comes to the policy a day and a half after it was asked for."""
    flow, entries = Earnings(DOMAIN, 1), logged([FIXED])
    behind = until(ASKED - 36 * HOUR, entries)
    record, at = final(flow, behind), ASKED + 10 * HOUR
    first = chosen(served(DOMAIN, record, FIXED), at)
    assert 700 < sum(one.policy == FIXED.logged for one in first) < 950, "10 hours of a day"
    for hours in range(-36, 40, 4):
        some = until(ASKED + hours * HOUR, entries)[len(behind) :]
        behind += some
        record = flow.take(some) or record
        now = chosen(served(DOMAIN, record, FIXED), at)
        assert all(
            one == was for one, was in zip(now, first, strict=True) if was.policy == FIXED.logged
        )
    assert record["version"] == 1


@pytest.mark.parametrize("hours", [1, 4, 12])
def test_policies_begin_alike_however_late_scores_come(hours: int) -> None:
    specs = [
        PolicySpec("thompson", 1, ASKED, dict.fromkeys(ARMS, 1.0)),
        PolicySpec("ucb", 2, ASKED + 5 * HOUR, dict.fromkeys(ARMS, 1.0)),
    ]
    entries = logged(specs, days=6)
    whole = final(Earnings(DOMAIN, 1), entries)
    flow, found, late = Earnings(DOMAIN, 1), None, []
    for number in range(0, len(entries), 50):
        some = entries[number : number + 50]
        late += [entry for entry in some if entry[0] == "score"]
        come = max(0, len(late) - hours * 18)
        found = flow.take([*(e for e in some if e[0] != "score"), *late[:come]]) or found
        del late[:come]
    assert (flow.take(late) or found) == whole
    assert {e["policy"] for e in whole["editions"]} >= {"ucb@2"}


def test_a_policy_that_begins_before_the_first_edition_has_leaves_keys_their_arm() -> None:
    flow = Earnings(DOMAIN, 1)
    record = final(flow, until(START + DAY + 4 * HOUR, logged()))
    (only,) = record["editions"]
    spec = PolicySpec("fixed", 1, START + DAY + 5 * HOUR, {"base-rate": 1.0})
    assert spec.since < only["since"]
    at = spec.since + HOUR
    was, now = chosen(served(DOMAIN, record), at), chosen(served(DOMAIN, record, spec), at)
    assert sum(one == other for one, other in zip(was, now, strict=True)) > 1_850
    assert served(DOMAIN, final(flow, [("policy", spec.record())]), spec) == served(
        DOMAIN, record, spec
    )


@pytest.mark.parametrize("size", [1, 7, 100])
def test_batches_do_not_decide_what_a_canary_and_the_next_policy_come_to(size: int) -> None:
    """The new arm goes up to 25 %, fails, and another policy comes."""
    domain = domain_of(every=HOUR, sticky=("flight",), sticky_for=DAY)
    options = {"answers": 40.0, "rewards": 0.0}
    canary = PolicySpec("canary", 1, START, {"logistic": 1.0, "tree": 1.0}, options)
    after = PolicySpec("split", 2, START + 30 * HOUR, {"tree": 1.0, "logistic": 1.0})
    entries: list[Entry] = [("policy", canary.record())]
    for name, one in stream(domain, 240):
        if name == "example":
            failed = ["model:base-rate"] if len(entries) > 600 else []
            said = {"policy": canary.logged, "arm": "tree", "degraded": failed, "model_ms": 1.0}
            entries.append(("prediction", {**one, **said}))
        entries.append((name, one))
    at = next(n for n, (_, one) in enumerate(entries) if one.get("time", 0) >= after.since)
    entries.insert(at, ("policy", after.record()))
    whole = final(Earnings(domain, 1), entries)
    assert [e["policy"] for e in whole["editions"]][-1] == "split@2"
    assert {e["shares"][ANY].get("tree", 0.0) for e in whole["editions"]} == {0.0, 0.5}, (
        "withdrawn before"
    )
    flow, found = Earnings(domain, 1), None
    for number in range(0, len(entries), size):
        found = flow.take(entries[number : number + size]) or found
    assert found == whole
