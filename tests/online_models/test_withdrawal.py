"""What a canary has withdrawn answers nobody any more, whatever policy comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from online_models.routes.canary import RETREATED
from online_models.routes.earning import Earnings
from online_models.routes.route import route_of
from online_models.routes.specs import PolicySpec
from schemas.declare import MINUTE, Domain
from tests.online_models.test_routing import START, domain_of

CANARY = PolicySpec(
    "canary", 3, START, {"logistic": 1.0, "tree": 1.0}, {"answers": 40.0, "rewards": 0.0}
)


def retreated(domain: Domain, good: int) -> tuple[Earnings, dict[str, Any], int]:
    """Earnings whose new arm fails after so many good answers; its record, and when that was."""
    earnings = Earnings(domain, 1)
    earnings.take([("policy", CANARY.record())])
    for number in range(good + 200):
        at = START + number * MINUTE
        answer = {
            "id": f"e{number}",
            "time": at,
            "policy": CANARY.logged,
            "arm": "tree",
            "degraded": ["model:base-rate"] if number >= good else [],
            "model_ms": 1.0,
        }
        record = earnings.take([("prediction", answer)])
        if record and record["outcome"] == RETREATED:
            return earnings, record, at + MINUTE
    raise AssertionError("it never retreats")


def answering(
    domain: Domain, route: Mapping[str, Any], policy: PolicySpec, at: int
) -> Counter[str]:
    found = route_of(domain, route, [policy])
    assert found
    flights = ({"flight": f"UA{n}", "id": f"q{n}"} for n in range(1_000))
    chosen = [found.choose(flight, at, {"logistic", "tree"}) for flight in flights]
    return Counter(one.arm if one else "none" for one in chosen)


@pytest.mark.parametrize("good", [50, 100, 130])
def test_it_stays_away_when_another_policy_comes(good: int) -> None:
    """From the stages of 5, 25 and 100 %: units of every one of them are still stuck."""
    domain = domain_of(sticky=("flight",))
    earnings, record, end = retreated(domain, good)
    assert answering(domain, record, CANARY, end) == {"logistic": 1_000}
    fixed = PolicySpec("fixed", 4, end, {"logistic": 1.0})
    assert answering(domain, record, fixed, end + MINUTE) == {"logistic": 1_000}, "not taken up yet"
    earnings.take([("policy", fixed.record())])
    earnings._begin(end + MINUTE)
    assert earnings._record()["version"] == 4
    assert answering(domain, earnings._record(), fixed, end + 2 * MINUTE) == {"logistic": 1_000}


def test_a_later_policy_may_name_it_again() -> None:
    domain = domain_of(sticky=("flight",))
    _, record, end = retreated(domain, 50)
    again = PolicySpec("fixed", 4, end, {"tree": 1.0})
    sticky = domain.routing.sticky_for
    assert answering(domain, record, again, end + 2 * sticky) == {"tree": 1_000}
