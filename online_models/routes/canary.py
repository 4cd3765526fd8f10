"""A new arm that is let in step by step, and out at once when a guard-rail is hit.

What is judged stands in the log: failures and run times in predictions, rewards in examples. So a
replay comes to the same decisions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import beta, norm

from online_models.routes.earned import Earned
from online_models.routes.specs import STAGES, PolicySpec

FOREVER = 10**15
"""A half-life that forgets nothing."""
FEW = 30
"""Answers or rewards before which no guard-rail speaks."""
RUNNING, PROMOTED, RETREATED = "running", "promoted", "retreated"
FAILED = "model:"
"""Begins the reason in `degraded` of an answer that the arm's model did not give."""


@dataclass(slots=True)
class Canary:
    """How far a canary is; can be pickled.

    `answers`, `failed`, `ms` and `paid` (how many rewards) are the new arm's in this stage.
    """

    spec: PolicySpec
    stage: int = 0
    outcome: str = RUNNING
    reason: str = "no answers yet"
    answers: int = 0
    failed: int = 0
    ms: float = 0.0
    paid: int = 0
    rewards: dict[str, Earned] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: PolicySpec) -> Canary | None:
        """A canary that begins, where the policy is one."""
        return cls(spec) if spec.name == "canary" else None

    @property
    def new(self) -> str:
        """The arm on trial."""
        return list(self.spec.arms)[1]

    @property
    def stable(self) -> str:
        """The arm in service."""
        return next(iter(self.spec.arms))

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """The new arm, once it has failed."""
        return (self.new,) if self.outcome == RETREATED else ()

    def prediction(self, record: Mapping[str, Any]) -> bool:
        """Takes a record of `prediction.avsc`; whether stage or outcome has changed."""
        mine = record["policy"] == self.spec.logged and record["arm"] == self.new
        if not mine or self.outcome != RUNNING:
            return False
        self.answers += 1
        self.failed += any(reason.startswith(FAILED) for reason in record["degraded"])
        self.ms += record["model_ms"]
        return self._judge()

    def reward(self, arm: str, reward: float, weight: float = 1.0) -> bool:
        """Takes a reward of one of the two arms, back where its weight is below 0.

        Gives whether stage or outcome has changed.
        """
        earned = self.rewards.get(arm, Earned())
        self.rewards[arm] = earned.add(reward, 0, FOREVER, weight)
        if arm == self.new:
            self.paid += 1 if weight > 0 else -1
        return self.outcome == RUNNING and weight > 0 and self._judge()

    def _judge(self) -> bool:
        if self._guard():
            return True
        self.reason = (
            f"stage of {STAGES[self.stage]:.0%}: {self.answers} answers by {self.new}, "
            f"{self.paid} rewards"
        )
        if self.answers < self.spec.option("answers") or self.paid < self.spec.option("rewards"):
            return False
        if self.stage + 1 == len(STAGES):
            self.outcome = PROMOTED
            return True
        self.stage += 1
        self.answers, self.failed, self.ms, self.paid = 0, 0, 0.0, 0
        return True

    def _guard(self) -> bool:
        """Whether a guard-rail is hit, and the retreat with it."""
        hit = self._failing() or self._slow() or self._losing()
        if hit:
            self.outcome, self.reason = RETREATED, hit
        return bool(hit)

    def _failing(self) -> str:
        limit = self.spec.option("errors")
        if self.answers < FEW or self.failed <= limit * self.answers:
            return ""
        sure = 1 - self.spec.option("confidence")  # Clopper and Pearson (1934)
        least = float(beta.ppf(sure, self.failed, self.answers - self.failed + 1))
        if least <= limit:
            return ""
        return f"{self.failed} of {self.answers} answers failed; the limit is {limit:.1%}"

    def _slow(self) -> str:
        limit = self.spec.option("slow_ms")
        if self.answers < FEW or self.ms <= limit * self.answers:
            return ""
        return f"answers took {self.ms / self.answers:.1f} ms on average; the limit is {limit:g} ms"

    def _losing(self) -> str:
        """Welch's test of the mean rewards, by the normal distribution."""
        new, stable = (self.rewards.get(arm, Earned()) for arm in (self.new, self.stable))
        if min(new.weight, stable.weight) < FEW:
            return ""
        behind = stable.mean - new.mean
        error = math.sqrt(
            sum(max(a.squares / a.weight - a.mean**2, 0) / a.weight for a in (new, stable))
        )
        if behind <= float(norm.ppf(self.spec.option("confidence"))) * error:
            return ""
        return f"it earns {behind:.4g} less a request than {self.stable} (± {error:.2g})"
