"""Holds what closes the loop of a domain against the rest: routing, samples, drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from schemas.checks import above, at_least, distinct, fields_of, finite, known, whole
from schemas.declare import (
    POLICIES,
    REACTIONS,
    DeclarationError,
    Domain,
    DriftKind,
    LearnerSpec,
    Publishing,
    React,
    Routing,
    Stopping,
)
from schemas.declare.learning import ReactionName
from schemas.declare.loop import Feedback, SampleKind

LONG_WINDOWS = 8
"""So many a reference holds at least, four in each half. With two in each, so little is known of
how far they wander that no statistic reaches their thresholds."""
CALM_SPANS = 3
"""So many spans of `calm` a reference holds at least: from them the loss's wandering is known."""


def check_routing(domain: Domain) -> None:
    """The policy, its arms and the reward."""
    where, routing = f"{domain.name}: routing", domain.routing
    known(where, "policy", routing.policy, POLICIES)
    known(where, "feedback", routing.feedback, get_args(Feedback))
    _check_arms(routing, where)
    for arm in routing.arms:
        known(where, "learner", arm, domain.learner_names)
    for name in routing.sticky:
        known(f"{where}: sticky", "field", name, fields_of(domain.schemas["request"]))
    if routing.by:
        known(f"{where}: by", "slice", routing.by, domain.slices)
    for name in ("sticky_for", "half_life", "every"):
        above(where, name, getattr(routing, name), " ms")
    for name, value in routing.options.items():
        finite(where, f"option {name}", value)
    if isinstance(routing.reward, Stopping):
        _check_stopping(domain, routing.reward, f"{where}: reward")


def _check_arms(routing: Routing, where: str) -> None:
    arms = ", ".join(routing.arms)
    if len(set(routing.arms)) < len(routing.arms):
        raise DeclarationError(f"{where}: arms {arms}; expected each once")
    if routing.policy in {"fixed", "shadow"} and len(routing.arms) > 1:
        raise DeclarationError(
            f"{where}: {routing.policy} with arms {arms}; expected the one that answers"
        )


def _check_stopping(domain: Domain, reward: Stopping, where: str) -> None:
    known(where, "column", reward.amount, [column.name for column in domain.columns])
    finite(where, "cost", reward.cost)
    if not 0 < reward.threshold <= 1:
        raise DeclarationError(f"{where}: threshold {reward.threshold}; expected in (0, 1]")
    if not 0 <= reward.let_through <= 1:
        raise DeclarationError(f"{where}: let_through {reward.let_through}; expected in [0, 1]")
    if reward.outcome or reward.of:
        known(where, "event", reward.outcome, [event.name for event in domain.events])
        fields = fields_of(domain.schemas[reward.outcome])
        known(f"{where}: event {reward.outcome!r}", "field", reward.of, fields)


def check_samples(domain: Domain) -> None:
    """The samples of the examples."""
    distinct(domain.name, "samples", [sample.name for sample in domain.samples])
    numbers = (*(column.name for column in domain.columns), *domain.feature_names)
    allowed = {"stratified": ("label", *domain.slices), "weighted": numbers}
    for sample in domain.samples:
        where = f"{domain.name}: sample {sample.name!r}"
        known(where, "kind", sample.kind, get_args(SampleKind))
        at_least(where, "size", sample.size, 1)
        at_least(where, "half_life", sample.half_life, 0, " ms")
        check_publishing(sample.publishing, f"{where}: publishing")
        if (sample.kind == "decayed") != (sample.half_life > 0):
            raise DeclarationError(
                f"{where}: half_life goes with the kind 'decayed' and only there"
            )
        if (sample.kind in allowed) != bool(sample.by) or (
            sample.kind == "weighted" and len(sample.by) > 1
        ):
            raise DeclarationError(
                f"{where}: by {sample.by}; expected one column for 'weighted', any for "
                "'stratified', none for the others"
            )
        for name in sample.by:
            known(where, "column to sample by", name, allowed[sample.kind])


def check_drift(domain: Domain) -> None:
    """The watch for drift and the reactions to it."""
    where, drift = f"{domain.name}: drift", domain.drift
    above(where, "false_alarms", drift.false_alarms)
    for name in ("per", "reference", "block"):
        whole(where, name, getattr(drift, name), 1, " ms")
    for name in ("records", "short", "long", "calm"):
        whole(where, name, getattr(drift, name), 1)
    for name in ("warm_up", "late"):
        whole(where, name, getattr(drift, name), 0, " ms")
    if drift.per < drift.block:
        raise DeclarationError(
            f"{where}: per {drift.per} ms; expected a block ({drift.block} ms) at least, "
            "such as 30 * DAY"
        )
    if drift.long < drift.short:
        raise DeclarationError(
            f"{where}: long {drift.long}; expected short ({drift.short}) or more"
        )
    for name, windows in (("long", LONG_WINDOWS), ("calm", CALM_SPANS)):
        least = windows * getattr(drift, name) * drift.block
        if drift.reference < least:
            raise DeclarationError(
                f"{where}: reference {drift.reference} ms; expected {windows} windows of {name} "
                f"blocks at least, {least} ms, or a smaller {name}"
            )
    if not isinstance(drift.reactions, Sequence):
        raise DeclarationError(
            f"{where}: reactions {drift.reactions!r}; expected a tuple: ({drift.reactions!r},)"
        )
    for reaction in drift.reactions:
        if not isinstance(reaction, React):
            raise DeclarationError(f"{where}: reaction {reaction!r}; expected a React")
        _check_reaction(domain, reaction, where)


def _check_reaction(domain: Domain, reaction: React, where: str) -> None:
    known(where, "reaction", reaction.do, get_args(ReactionName))
    where = f"{where}: reaction {reaction.do!r}"
    for name in ("to", "learners"):
        if isinstance(found := getattr(reaction, name), str):
            raise DeclarationError(f"{where}: {name} {found!r}; expected a tuple: ({found!r},)")
    kinds, learners = get_args(DriftKind), domain.learner_names
    for kind in reaction.to:
        known(where, "kind of drift", kind, kinds)
    for name in reaction.learners:
        known(where, "learner", name, learners)
    if not reaction.to:
        raise DeclarationError(f"{where}: to (); expected some of {', '.join(kinds)}")
    if reaction.do == "explore":
        if reaction.learners:
            found = ", ".join(reaction.learners)
            raise DeclarationError(f"{where}: learners {found}; expected none: the router explores")
        return
    able = [learner.name for learner in domain.learners if _can(learner, reaction.do)]
    unable = [name for name in reaction.learners or learners if name not in able]
    if not able or (reaction.learners and unable):
        hint = f"expected of {', '.join(able)}" if able else "no learner of the domain can"
        raise DeclarationError(f"{where}: {', '.join(unable)} cannot do that; {hint}")


def _can(learner: LearnerSpec, reaction: ReactionName) -> bool:
    """A calibrated learner can always be reset: its sigmoid starts anew."""
    calibrated = reaction == "reset" and bool(learner.options.get("calibrate"))
    return calibrated or reaction in REACTIONS[learner.kind]


def check_publishing(publishing: Publishing, where: str) -> None:
    """When snapshots are due."""
    at_least(where, "examples", publishing.examples, 1)
    above(where, "time", publishing.time, " ms")
