"""`headrace route …`: which arm answers, and which should."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.arguments import number
from infra.settings import domain_of
from infra.terminal import complain, out, print_table, shown, utc

if TYPE_CHECKING:
    from serving.route_desk import Verdict

app = typer.Typer(help="See, set and judge which arm answers.", no_args_is_help=True)

POLICIES = """
\b
  fixed             one arm answers: --arms tree, or the learner that the domain serves
  shadow            the same; what the others would have earned is shown
  split             fixed shares: --arms logistic=0.9,tree=0.1
  canary            --arms OLD,NEW: 1, 5, 25, 100 %, and back when it fails, is slower or earns less
  epsilon-greedy    the best so far, and any with --epsilon
  ucb               the highest upper bound
  thompson          each as likely as it is to be the best
  contextual        thompson by a slice: --by carrier
"""
STICKING = "Keys that stick keep their arm until their time is over."
Policy = Annotated[str, typer.Argument(help="fixed, split, shadow, canary, epsilon-greedy, …")]
Arms = Annotated[
    str | None, typer.Option(help="a,b; for split a=0.9,b=0.1; all learners if left out.")
]
Options = Annotated[
    list[str] | None, typer.Option("--option", help="Any other option, as NAME=NUMBER.")
]
Epsilon = Annotated[float | None, number(help="Share for any arm, of epsilon-greedy.")]
Explore = Annotated[float | None, number(help="Share for any arm, of ucb and thompson.")]
By = Annotated[str, typer.Option(help="The slice of a contextual policy.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="Judge only what was asked from then on, as 2013-07-01 (UTC).",
    ),
]


@app.command()
def show(ctx: typer.Context) -> None:
    """The policy, what the arms have earned, and their shares."""
    from online_models.routes.route import posteriors_of, route_of
    from online_models.routes.specs import ANY
    from serving import route_desk

    domain = domain_of(ctx.obj)
    record, policies, _ = route_desk.newest(ctx.obj, domain)
    spec = route_desk.asked_for(domain, policies)
    route = route_of(domain, record, policies)
    options = ", ".join(f"{name} {value:g}" for name, value in spec.options.items())
    out.print(f"[bold]{spec.logged}[/] {options} {f'by {spec.by}' if spec.by else ''}".rstrip())
    if record is None:
        out.print("nothing is earned yet" + ("" if route else f"; {domain.served} answers"))
    if record and record["outcome"] and record["version"] == spec.version:
        awaited = _awaited(record, domain.routing.every)
        out.print(f"canary {record['outcome']}: {record['reason']}{awaited}")
    if route is None:
        return
    newest, withdrawn = route.editions[-1], record["withdrawn"] if record else ()
    earned = posteriors_of(record) if record else {}
    rewards = (
        {(e["context"], e["arm"]): e["reward"] for e in record["posteriors"]} if record else {}
    )
    arms = sorted({*newest.shares[ANY], *earned.get(ANY, {})})
    rows = [
        (
            context or "all",
            arm,
            "withdrawn" if arm in withdrawn and not found.get(arm) else f"{found.get(arm, 0):.1%}",
            _number(rewards.get((context, arm))),
            _number(earned[context][arm].mean if arm in earned.get(context, {}) else None),
            _number(earned[context][arm].weight if arm in earned.get(context, {}) else None),
        )
        for context, found in newest.shares.items()
        for arm in arms
    ]
    title = f"{newest.policy} {_from(newest.since)}"
    print_table(title, ("context", "arm", "share", "mean reward", "ahead", "weight"), rows)
    out.print("ahead: of the answer that was served, where every arm is scored; weight: in rewards")


@app.command(
    "set", help=f"Ask for another policy; flow and servers take it up.\n{POLICIES}\n{STICKING}"
)
def set_(
    ctx: typer.Context,
    policy: Policy,
    arms: Arms = None,
    epsilon: Epsilon = None,
    explore: Explore = None,
    by: By = "",
    option: Options = None,
) -> None:
    """Asks for another policy."""
    from serving import route_desk

    given = _options(option, epsilon, explore)
    spec = route_desk.ask(ctx.obj, domain_of(ctx.obj), policy, arms, given, by)
    out.print(f"{spec.logged} over {', '.join(spec.arms)}, {_from(spec.since)}")


@app.command(help=f"What another policy or arm would have earned, by what was logged.\n{POLICIES}")
def evaluate(
    ctx: typer.Context,
    policy: Annotated[str | None, typer.Option(help="The policy to judge.")] = None,
    arm: Annotated[str | None, typer.Option(help="Or the arm.")] = None,
    arms: Arms = None,
    epsilon: Epsilon = None,
    explore: Explore = None,
    by: By = "",
    option: Options = None,
    since: Since = None,
    confidence: Annotated[float, number(help="Of intervals.", min=0.5, max=0.999)] = 0.95,
) -> None:
    """Exit code 1 where the log cannot support an estimate."""
    from online_models.routes.specs import PolicySpec, checked
    from serving import route_desk

    if (policy is None) == (arm is None):
        raise typer.BadParameter("give either --policy or --arm")
    if arm and arms:
        raise typer.BadParameter("--arms are those of a --policy; give --arm alone")
    domain = domain_of(ctx.obj)
    chosen = {arm: 1.0} if arm else route_desk.arms_of(arms)
    given = _options(option, epsilon, explore)
    spec = checked(domain, PolicySpec(policy or "fixed", 0, 0, chosen, given, by))
    start = round(since.replace(tzinfo=UTC).timestamp() * 1_000) if since else None
    verdict = route_desk.judge(ctx.obj, domain, spec, confidence, start)
    _tell(verdict, f"Reward of {arm or spec.name} a request, intervals of {confidence:.0%}")
    out.print(f"reward: {route_desk.reward_in_words(domain)}")
    if any(each.estimate is None for each in verdict.judged):
        raise typer.Exit(1)


def _tell(verdict: Verdict, title: str) -> None:
    rows: list[tuple[Any, ...]] = []
    for way, estimate, why in verdict.judged:
        if estimate is None:
            rows.append((way, "no estimate", None, None))
            complain(f"{way}: {why}")
        else:
            reach = f"{estimate.low:.5g} to {estimate.high:.5g}"
            rows.append((way, shown(estimate.value), reach, f"{estimate.effective:,.0f}"))
    print_table(title, ("by", "reward", "interval", "effective samples"), rows)
    first, last = map(utc, verdict.asked)
    out.print(f"from {verdict.examples:,} examples, asked {first} to {last}")


def _options(
    words: list[str] | None, epsilon: float | None, explore: float | None
) -> dict[str, float]:
    given = {"epsilon": epsilon, "explore": explore}
    found = {name: value for name, value in given.items() if value is not None}
    for word in words or []:
        name, _, value = word.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = math.nan
        if not math.isfinite(found[name]):
            expected = "expected NAME=NUMBER, a finite one"
            raise typer.BadParameter(f"{word!r}; {expected}", param_hint="--option")
    return found


def _awaited(route: Mapping[str, Any], every: int) -> str:
    """When more is told of a canary that runs: a route is published with its editions alone."""
    from online_models.routes.canary import RUNNING

    if route["outcome"] != RUNNING:
        return ""
    labels = f"labels from {utc(route['time'] + every)} on" if route["time"] else "the first labels"
    return f" (as of the newest edition; the next comes with {labels}, or with another stage)"


def _from(since: int) -> str:
    """Since when a policy holds; one that came before all questions holds for the first."""
    return f"from {utc(since)} on" if since > 1 else "from the first request on"


def _number(value: float | None) -> str | None:
    return None if value is None else shown(value)
