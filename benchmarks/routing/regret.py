"""Runs routing policies over the arms of a world: the flow's and the server's own code, no broker.

A policy begins on day SINCE, knowing nothing. Labels come when they come, up to 30 days late. What
the flow has read by midnight decides from then on; a customer keeps an arm for a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.learning.quality import turns
from benchmarks.routing.worlds import I8, NAMES, Arms, domain_of
from online_models.routes.earning import Earnings, Entry
from online_models.routes.route import Chosen, route_of
from online_models.routes.specs import PolicySpec, checked
from schemas.declare import DAY, Domain

PERIOD = 30
"""Days of a period, for the best arm of each."""


@dataclass(frozen=True)
class Run:
    """A policy to be run; `feedback` is whose answers earn: `served` or, by their scores, all."""

    policy: str
    feedback: str = "served"
    arms: Mapping[str, float] = field(default_factory=dict)
    by: str = ""

    @property
    def name(self) -> str:
        """How it is called in tables."""
        shown = f" {' → '.join(self.arms)}" if self.policy == "canary" else ""
        shown = f" on {next(iter(self.arms))}" if self.policy == "fixed" else shown
        return f"{self.policy}{shown}{', all scored' if self.feedback == 'shadow' else ''}"


LEARNING = (Run("epsilon-greedy"), Run("ucb"), Run("thompson"), Run("contextual", by="kind"))
RUNS = (
    *(Run("fixed", arms={name: 1.0}) for name in NAMES),
    Run("split"),
    Run("canary", arms={"base-rate": 1.0, "logistic": 1.0}),
    Run("canary", arms={"logistic": 1.0, "base-rate": 1.0}),
    *LEARNING,
    *(replace(run, feedback="shadow") for run in LEARNING),
)
"""`split` gives every arm the same share: uniform, an A/B test without end."""


def choices(world: Arms, run: Run) -> I8:
    """The arm of each question [n]: one scored question after the other, the others at 0."""
    if run.policy == "fixed":
        return np.full(len(world.asked), NAMES.index(next(iter(run.arms))))
    domain = domain_of(run.feedback)
    spec = checked(domain, PolicySpec(run.policy, 1, 0, run.arms, {}, run.by))
    flow = Earnings(domain, seed=0)
    flow.take([("policy", spec.record())])
    route = route_of(domain, None, [spec])
    arm = np.zeros(len(world.asked), np.int64)
    pending: list[Entry] = []
    midnight = 0
    scored = world.scored.tolist()
    for question, labelled in zip(*turns(world.asked), strict=True):
        if not scored[question]:
            continue
        at = int((world.asked.labelled if labelled else world.asked.at)[question])
        if at >= midnight:
            record = flow.take(pending)
            route = route_of(domain, record, [spec]) if record else route
            pending, midnight = [], (at // DAY + 1) * DAY
        if labelled:
            pending += _learned(world, domain, question, int(arm[question]), spec)
            continue
        chosen = route.choose(world.requests[question], at, NAMES) if route else None
        if chosen is None:
            raise RuntimeError(f"{run.name} has no arm for question {question}")
        arm[question] = NAMES.index(chosen.arm)
        if run.policy == "canary":
            pending.append(("prediction", _prediction(world.requests[question]["id"], chosen, at)))
    return arm


def _prediction(request_id: str, chosen: Chosen, at: int) -> dict[str, Any]:
    answered = {"id": request_id, "time": at, "arm": chosen.arm, "policy": chosen.policy}
    return {**answered, "degraded": [], "model_ms": 1.0}


def _learned(
    world: Arms, domain: Domain, question: int, arm: int, spec: PolicySpec
) -> Iterator[Entry]:
    """The example of a question, and every arm's score where all earn."""
    asked, request = world.asked, world.requests[question]
    example = {
        "id": request["id"],
        "time": int(asked.labelled[question]),
        "asked": int(asked.at[question]),
        "vector": asked.vectors[question],
        "label": float(asked.label[question]),
        "probability": float(world.answers[question, arm]),
        "arm": NAMES[arm],
        "policy": spec.logged,
        "seen": 1.0,
        "slices": {name: request[name] for name in domain.slices},
    }
    yield "example", example
    if domain.routing.feedback == "shadow":
        for name, probability in zip(NAMES, world.before[question].tolist(), strict=True):
            yield "score", {"id": request["id"], "learner": name, "probability": probability}


@dataclass(frozen=True)
class Regret:
    """What a policy earned, and how much less than the best arm in hindsight.

    `best` is the one best arm of all scored days, `period` the best arm of every 30 days of them;
    `curve` [days] is the regret against the former up to each scored day, `changing` against the
    latter. Negative regret: better than any one arm.
    """

    earned: float
    best: float
    period: float
    curve: list[float]
    changing: list[float]


def regret(world: Arms, arm: I8) -> Regret:
    """Of the choices of a policy."""
    kept = world.scored
    day = world.day[kept] - world.day[kept].min()
    reward = world.reward[kept]
    got = reward[np.arange(len(day)), arm[kept]]
    best = reward[:, int(reward.sum(axis=0).argmax())]
    changing = np.empty(len(day))
    for period in np.unique(day // PERIOD):
        inside = day // PERIOD == period
        changing[inside] = reward[inside, int(reward[inside].sum(axis=0).argmax())]
    curve, moving = (np.cumsum(np.bincount(day, one - got)) for one in (best, changing))
    return Regret(
        float(got.sum()), float(curve[-1]), float(moving[-1]), curve.tolist(), moving.tolist()
    )
