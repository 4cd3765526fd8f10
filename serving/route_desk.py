"""What `headrace route` does: reads what holds, asks for another policy, judges from the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from confluent_kafka import Message

from infra import inspection, kafka
from infra.decoding import Decoder
from infra.kafka import raw_of
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models.routes.judging import Judged, Logged
from online_models.routes.policies import PolicyError
from online_models.routes.specs import PolicySpec, checked, declared, each_once, spec_of
from schemas.avro import CORE
from schemas.declare import Domain, Stopping

LOOKED_BACK = 10_000
"""Predictions of each partition among which the newest question is looked for: questions are asked
in any order of their times, and all of the log would take minutes to read."""


class Newest(NamedTuple):
    """The newest route, None before the first; and the policies that were asked for.

    `version` is the newest one's, also where it is one that the domain cannot have.
    """

    route: dict[str, Any] | None
    policies: Sequence[PolicySpec]
    version: int


def newest(settings: Settings, domain: Domain) -> Newest:
    """What stands on the topics of policies and routes."""
    topic, asked = domain.topic("routes"), domain.topic("policies")
    routes = _records(settings, topic, "route", kafka.newest_by_key(settings, topic).values())
    policies = _records(settings, asked, "policy", kafka.read_topic(settings, asked))
    version = max((policy["version"] for policy in policies), default=0)
    return Newest(routes[0] if routes else None, _possible(domain, policies), version)


def _records(
    settings: Settings, topic: str, name: str, messages: Iterable[Message]
) -> list[dict[str, Any]]:
    """Those of a topic's messages that are records of that name."""
    decoder = Decoder({name: CORE[name]}, registry(settings), "route")
    good, _ = decoder.batch(topic, 0, [raw_of(message) for message in messages])
    return [record for _, record, _ in good]


def _possible(domain: Domain, policies: Iterable[Mapping[str, Any]]) -> list[PolicySpec]:
    """Those that the domain can have; the first of a version, as the flow does."""
    found: dict[int, PolicySpec] = {}
    for policy in policies:
        with suppress(PolicyError):  # the flow has buried it
            found.setdefault(policy["version"], spec_of(domain, policy))
    return list(found.values())


def asked_for(domain: Domain, policies: Sequence[PolicySpec]) -> PolicySpec:
    """The policy that holds or is about to: the newest asked for, the declared one before that."""
    return max(policies, key=lambda spec: spec.version, default=declared(domain))


def ask(
    settings: Settings,
    domain: Domain,
    name: str,
    arms: str | None,
    options: Mapping[str, float],
    by: str,
) -> PolicySpec:
    """Publishes another policy; raises PolicyError.

    It holds from the newest asked time on, or from what the flow knows or the policy before began
    where that is later: the flow of a new generation may know less. One that the domain cannot
    have, though it stands on the topic, does not stand in the way.
    """
    wanted = checked(domain, PolicySpec(name, 0, 0, arms_of(arms), options, by))
    before = newest(settings, domain)
    known = before.route["time"] if before.route else 0
    last = asked_for(domain, before.policies).since
    since = max(newest_asked(settings, domain) + 1, known, last)
    spec = replace(wanted, version=before.version + 1, since=since)
    sender = Sender(settings, domain, registry(settings))
    sender.send("policies", "policy", spec.record(), spec.logged)
    sender.flush()
    return spec


def arms_of(words: str | None) -> dict[str, float]:
    """Arms with their parts, from `a,b` or `a=0.9,b=0.1`; raises PolicyError."""
    return each_once(map(_arm, filter(None, (words or "").split(","))))


def _arm(word: str) -> tuple[str, float]:
    arm, given, share = word.strip().partition("=")
    try:
        return arm, float(share) if given else 1.0
    except ValueError:
        raise PolicyError(f"arm {word!r}; expected ARM or ARM=SHARE") from None


def newest_asked(settings: Settings, domain: Domain) -> int:
    """The newest time asked about, in ms, of the last predictions; 0 where there is none."""
    topic = domain.topic("predictions")
    partitions = range(kafka.partitions_of(settings, topic))
    spans = inspection.spans(settings, topic, partitions)
    starts = {p: max(low, high - LOOKED_BACK) for p, (low, high) in spans.items()}
    messages = kafka.read_topic(settings, topic, start=starts)
    found = _records(settings, topic, "prediction", messages)
    return max((record["time"] for record in found), default=0)


@dataclass(frozen=True)
class Verdict:
    """Estimates of a policy from so many examples, asked from the first time to the last (ms)."""

    judged: Sequence[Judged]
    examples: int
    asked: tuple[int, int]


def judge(
    settings: Settings, domain: Domain, spec: PolicySpec, confidence: float, since: int | None
) -> Verdict:
    """What the policy would have earned, by what was asked from `since` (ms) on.

    Raises Unsupported where that is nothing.
    """
    examples = inspection.read(settings, domain, "examples")
    logged = Logged.of(domain, examples, inspection.read(settings, domain, "scores"), since)
    times = [example["asked"] for example in logged.examples]
    judged = logged.judge(logged.target(spec, settings.seed), confidence)
    return Verdict(judged, len(times), (min(times), max(times)))


def reward_in_words(domain: Domain) -> str:
    """What the numbers of rewards are."""
    reward = domain.routing.reward
    if not isinstance(reward, Stopping):
        return "minus log loss"
    return (
        f"{reward.amount} of stopped positives, less {reward.cost:g} for a stopped negative; "
        f"stopped from a probability of {reward.threshold:g} on"
    )
