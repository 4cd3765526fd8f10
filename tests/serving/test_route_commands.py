"""What `headrace route` says, without a broker: `tests/serving/test_routing.py` has the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from infra import terminal
from infra.settings import Settings
from online_models.routes.judging import Judged
from online_models.routes.offpolicy import Estimate
from online_models.routes.policies import PolicyError
from online_models.routes.specs import ANY, PolicySpec
from schemas.declare import DAY, Routing
from schemas.domains import load
from serving import route_commands, route_desk
from serving.route_desk import Newest, Verdict

VERDICT = Verdict(
    [Judged("SNIPS", None, "rewards are too rare"), Judged("as served", Estimate(1, 0.5, 2, 80))],
    1_200,
    (DAY, 3 * DAY),
)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "either --policy or --arm"),
        (["--policy", "ucb", "--arm", "tree"], "either --policy or --arm"),
        (["--arm", "tree", "--arms", "tree,logistic"], "give --arm alone"),
        (["--arm", "tree", "--since", "yesterday"], "does not match the formats"),
    ],
)
def test_a_wrong_question_is_named(words: list[str], said: str) -> None:
    found = CliRunner(env={"COLUMNS": "200"}).invoke(route_commands.app, ["evaluate", *words])
    assert found.exit_code == 2
    assert said in found.output


@pytest.mark.parametrize("option", ["epsilon=nan", "epsilon=-inf", "epsilon", "epsilon=much"])
def test_an_option_that_is_no_finite_number_is_named(option: str) -> None:
    shell = CliRunner(env={"COLUMNS": "200"})
    found = shell.invoke(route_commands.app, ["set", "epsilon-greedy", "--option", option])
    assert found.exit_code == 2
    assert f"--option: '{option}'; expected NAME=NUMBER" in found.output


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ("logistic=nan,tree=1", "expected finite numbers"),
        ("logistic=inf,tree=1", "expected finite numbers"),
        ("logistic=1,logistic=2", "arm 'logistic' is named twice"),
        ("logistic=much", "expected ARM or ARM=SHARE"),
    ],
)
def test_arms_that_no_split_can_have_are_named(arms: str, said: str) -> None:
    words = ["evaluate", "--policy", "split", "--arms", arms]
    found = CliRunner().invoke(route_commands.app, words, obj=Settings())
    assert isinstance(found.exception, PolicyError)
    assert said in str(found.exception)


def test_a_verdict_tells_what_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    route_commands._tell(VERDICT, "Reward of tree a request")
    said = capsys.readouterr()
    assert "from 1,200 examples, asked 1970-01-02 00:00:00Z to 1970-01-04 00:00:00Z" in said.out
    assert "0.5 to 2" in said.out
    assert "SNIPS: rewards are too rare" in said.err


def test_rewards_are_said_in_words() -> None:
    payments = load("payments")
    assert "less 5 for a stopped negative" in route_desk.reward_in_words(payments)
    assert route_desk.reward_in_words(replace(payments, routing=Routing())) == "minus log loss"


def test_a_policy_of_the_first_hour_holds_from_the_first_request_on() -> None:
    assert route_commands._from(1) == "from the first request on"
    assert route_commands._from(DAY) == "from 1970-01-02 00:00:00Z on"


def shown(monkeypatch: pytest.MonkeyPatch, version: int = 1, **route: Any) -> str:
    """What is told of a canary of that version, and of a route that is of version 1."""
    edition = {"since": 1, "policy": "canary@1", "shares": {ANY: {"tree": 1.0}}}
    whole = {"version": 1, "editions": [edition], "posteriors": [], "withdrawn": [], **route}
    canary = PolicySpec("canary", version, DAY, {"logistic": 1.0, "tree": 1.0})
    monkeypatch.setattr(route_desk, "newest", lambda *_: Newest(whole, [canary], version))
    monkeypatch.setattr(terminal.out, "_width", 200)
    return CliRunner().invoke(route_commands.app, ["show"], obj=Settings()).output


@pytest.mark.parametrize(("version", "told"), [(1, True), (2, False)])
def test_the_outcome_of_a_canary_is_not_told_of_the_policy_that_follows(
    monkeypatch: pytest.MonkeyPatch, version: int, told: bool
) -> None:
    said = shown(monkeypatch, version, time=1, outcome="promoted", reason="stage of 100%")
    assert f"canary@{version}" in said
    assert ("canary promoted: stage of 100%\n" in said) is told


@pytest.mark.parametrize(
    ("time", "labels"), [(DAY, "labels from 1970-01-02 01:00:00Z on"), (0, "the first labels")]
)
def test_of_a_canary_that_runs_it_is_told_when_more_will_be_known(
    monkeypatch: pytest.MonkeyPatch, time: int, labels: str
) -> None:
    said = shown(monkeypatch, time=time, outcome="running", reason="no answers yet")
    assert f"no answers yet (as of the newest edition; the next comes with {labels}, or" in said
