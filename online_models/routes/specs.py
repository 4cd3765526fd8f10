"""Policies as they are asked for: by name, arms and options; and the shares that follow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from online_models.routes.earned import Earned
from online_models.routes.policies import (
    Distribution,
    EpsilonGreedy,
    Policy,
    PolicyError,
    Split,
    Thompson,
    UpperConfidence,
)
from schemas import nearest
from schemas.declare import Domain

ANY = ""
"""The context that stands for all, and for those that are not known."""

STAGES = (0.01, 0.05, 0.25, 1.0)
"""Shares of a canary, stage by stage."""

CANARY = {
    "answers": 100.0,
    "rewards": 100.0,
    "errors": 0.02,
    "slow_ms": 5.0,
    "confidence": 0.99,
}
"""A stage lasts so many answers of the new arm, and so many of its rewards: where labels come late,
it would else be over before the first; limits of its share of failures, and of how much longer it
takes in the mean than the arm in service: a tenth of the usual budget of an answer, of which a
model that takes four tenths is stopped, and has failed; how sure the guard-rails are, all together
and however often they look, before they speak."""

PULL = 30.0
"""Rewards, seen or stood for, that the overall mean of an arm is worth within a context."""

_BANDITS: Mapping[str, tuple[Callable[..., Policy], Mapping[str, float]]] = {
    "epsilon-greedy": (EpsilonGreedy, {"epsilon": 0.1}),
    "ucb": (UpperConfidence, {"width": 2.0, "explore": 0.05}),
    "thompson": (Thompson, {"explore": 0.02, "prior": 1.0}),
    "contextual": (Thompson, {"explore": 0.02, "prior": 1.0}),
}
OPTIONS: Mapping[str, Mapping[str, float]] = {
    "fixed": {},
    "split": {},
    "shadow": {},
    "canary": CANARY,
    **{name: options for name, (_, options) in _BANDITS.items()},
}
"""The options of every policy, with their defaults."""

_ONE_ARM = {"fixed", "shadow"}
_SHARES = {"epsilon", "explore", "errors"}
_ABOVE = {"prior", "answers", "slow_ms"}

Posteriors = Mapping[str, Mapping[str, Earned]]
"""What was earned, by context and arm."""


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A record of `policy.avsc`, checked; made by `spec_of` or `declared`."""

    name: str
    version: int
    since: int
    arms: Mapping[str, float]
    options: Mapping[str, float] = field(default_factory=dict)
    by: str = ""

    @property
    def logged(self) -> str:
        """How predictions name it."""
        return f"{self.name}@{self.version}"

    def option(self, name: str) -> float:
        """An option, or its default."""
        return self.options.get(name, OPTIONS[self.name][name])

    def record(self) -> dict[str, Any]:
        """A record of `policy.avsc`."""
        arms = [{"arm": arm, "share": share} for arm, share in self.arms.items()]
        return {
            "name": self.name,
            "version": self.version,
            "since": self.since,
            "arms": arms,
            "options": dict(self.options),
            "by": self.by,
        }


def declared(domain: Domain) -> PolicySpec:
    """The policy that a domain begins with, version 0."""
    routing = domain.routing
    arms = each_once((arm, 1.0) for arm in routing.arms)
    return checked(domain, PolicySpec(routing.policy, 0, 0, arms, routing.options, routing.by))


def spec_of(domain: Domain, record: Mapping[str, Any]) -> PolicySpec:
    """The spec of a record of `policy.avsc`; raises PolicyError where the domain cannot have it."""
    arms = each_once((each["arm"], each["share"]) for each in record["arms"])
    name, version, since = record["name"], record["version"], record["since"]
    spec = PolicySpec(name, version, since, arms, record["options"], record["by"])
    return checked(domain, spec)


def checked(domain: Domain, spec: PolicySpec) -> PolicySpec:
    """The spec with its arms filled in; raises PolicyError naming what is wrong."""
    _known("policy", spec.name, OPTIONS)
    for arm in spec.arms:
        _known("arm", arm, domain.learner_names)
    for name, value in spec.options.items():
        _known(f"option of {spec.name}", name, OPTIONS[spec.name])
        _check_option(name, value)
    if spec.name == "contextual":
        _known("slice to look at (by)", spec.by, domain.slices)
    elif spec.by:
        raise PolicyError(f"{spec.name} by {spec.by!r}; expected no slice: only contextual has one")
    usual = [domain.served] if spec.name in _ONE_ARM else [domain.served, *domain.learner_names]
    arms = spec.arms or dict.fromkeys(usual, 1.0)
    _check_arms(spec.name, arms)
    return replace(spec, arms=arms)


def each_once(arms: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Shares by arm; raises PolicyError for an arm that is named twice."""
    found: dict[str, float] = {}
    for arm, share in arms:
        if arm in found:
            raise PolicyError(f"arm {arm!r} is named twice; expected each arm once")
        found[arm] = share
    return found


def _check_arms(policy: str, arms: Mapping[str, float]) -> None:
    given = ", ".join(f"{arm}={share:g}" for arm, share in arms.items() if share != 1)
    if given and policy != "split":
        raise PolicyError(
            f"{policy} with shares, {given}; expected arms by name alone: only a split has shares"
        )
    if policy in _ONE_ARM and len(arms) != 1:
        raise PolicyError(
            f"{policy} with arms {', '.join(arms)}; expected the one that answers: what the others "
            "would have earned is known without naming them"
        )
    if policy == "canary" and len(arms) != 2:
        raise PolicyError(
            f"a canary has two arms, the one in service and the new one; found {', '.join(arms)}"
        )
    Split(arms)


def _check_option(name: str, value: float) -> None:
    if not math.isfinite(value) or value < 0 or (name in _ABOVE and not value):
        raise PolicyError(
            f"{name} {value}; expected {'above 0' if name in _ABOVE else '0 or more'}"
        )
    if name in _SHARES and value > 1:
        raise PolicyError(f"{name} {value}; expected a share, 0 to 1")
    if name == "confidence" and not 0.5 <= value < 1:
        raise PolicyError(f"{name} {value}; expected 0.5 or more, below 1")


def _known(what: str, name: str, known: Mapping[str, Any] | Sequence[str]) -> None:
    if name not in known:
        near = nearest.hint(name, known)
        raise PolicyError(f"no {what} {name!r}; there is {', '.join(known) or 'none'}{near}")


def shares(spec: PolicySpec, earned: Posteriors, stage: int = 0) -> dict[str, Distribution]:
    """Each arm's probability, by context; `stage` is that of a canary.

    A policy that looks at no slice has the context ANY only.
    """
    if spec.name == "canary":
        stable, new = spec.arms
        return {ANY: {stable: 1.0 - STAGES[stage], new: STAGES[stage]}}
    overall = _of(spec, earned.get(ANY, {}))
    if spec.name not in _BANDITS:
        return {ANY: Split(spec.arms).distribution(overall)}
    kind, options = _BANDITS[spec.name]
    policy = kind(**{name: spec.option(name) for name in options})
    found = {ANY: policy.distribution(overall)}
    if spec.name == "contextual":
        for context in sorted(each for each in earned if each.startswith(f"{spec.by}=")):
            within = _of(spec, earned[context])
            pulled = {arm: _pulled(one, overall[arm]) for arm, one in within.items()}
            found[context] = policy.distribution(pulled)
    return found


def _of(spec: PolicySpec, earned: Mapping[str, Earned]) -> dict[str, Earned]:
    return {arm: earned.get(arm, Earned()) for arm in spec.arms}


def _pulled(within: Earned, overall: Earned) -> Earned:
    """What a context has earned, with PULL rewards such as the arm earns overall."""
    if overall.weight <= 0:
        return within
    return within.plus(overall.faded(min(PULL, overall.weight) / overall.weight))
