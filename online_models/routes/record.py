"""The record of a route, as the flow writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from online_models.routes.canary import Canary
from online_models.routes.route import Edition
from online_models.routes.specs import ANY, PolicySpec, Posteriors


def record_of(
    time: int,
    spec: PolicySpec,
    canary: Canary | None,
    editions: Iterable[Edition],
    posteriors: Posteriors,
    rewards: Mapping[str, float],
) -> dict[str, Any]:
    """A record of `route.avsc`: the policy that holds, its canary, and what was earned by `time`.

    `rewards` are the arms' mean rewards in all; within a context that is the posterior's mean.
    """
    return {
        "time": time,
        "policy": spec.name,
        "version": spec.version,
        "posteriors": [
            {
                "arm": arm,
                "context": context,
                **earned._asdict(),
                "reward": rewards[arm] if context == ANY else earned.mean,
            }
            for context, arms in posteriors.items()
            for arm, earned in arms.items()
        ],
        "editions": [edition._asdict() for edition in editions],
        "withdrawn": list(canary.withdrawn) if canary else [],
        "stage": canary.stage if canary else -1,
        "outcome": canary.outcome if canary else "",
        "reason": canary.reason if canary else "",
    }
