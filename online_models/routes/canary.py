"""A new arm that is let in step by step, and out at once when a guard-rail is hit.

What is judged stands in the log: failures and run times in predictions, rewards in examples. So a
replay comes to the same decisions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import beta, t

from online_models.routes.earned import Earned
from online_models.routes.specs import STAGES, PolicySpec
from online_models.seen import Seen

FOREVER = 10**15
"""A half-life that forgets nothing."""
FEW = 30
"""Answers or rewards before which no guard-rail speaks."""
GUARDS = 3
"""Guard-rails, which share the risk of a retreat without cause: failures, times and rewards."""
REMEMBERED = 10_000
"""Answers whose second copies are known at most."""
RUNNING, PROMOTED, RETREATED = "running", "promoted", "retreated"
FAILED = "model:"
"""Begins the reason in `degraded` of an answer that the arm's model did not give."""


@dataclass(slots=True)
class Looks:
    """When a guard-rail looks, and how sure it must be then; can be pickled.

    A test that looks after every record finds something some day. So it looks at records number
    FEW, 2 FEW, 4 FEW and so on, and when a stage ends, and spends half of what is left of its risk
    each time: what it errs in all stays below `risk` however often it looks (alpha spending: Lan
    and DeMets, *Discrete Sequential Boundaries for Clinical Trials*, 1983).
    """

    risk: float
    done: int = 0

    def due(self, records: int, ends: bool) -> float:
        """The risk of a look now; 0 where it is not time for one."""
        if records < FEW or (records < FEW * 2**self.done and not ends):
            return 0.0
        self.done += 1
        return self.risk * 0.5**self.done


@dataclass(slots=True)
class Canary:
    """How far a canary is; can be pickled.

    `answers`, `failed`, `times` (ms) and `paid` (how many rewards) are the new arm's in this stage,
    `usual` are the times of the other in all; `rewards` and `counts` are what both arms have earned
    in all, and by how many rewards.
    """

    spec: PolicySpec
    stage: int = 0
    outcome: str = RUNNING
    reason: str = "no answers yet"
    answers: int = 0
    failed: int = 0
    paid: int = 0
    times: Earned = field(default_factory=Earned)
    usual: Earned = field(default_factory=Earned)
    rewards: dict[str, Earned] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    looks: dict[str, Looks] = field(default_factory=dict)
    seen: Seen = field(default_factory=lambda: Seen(REMEMBERED))

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
        mine = record["policy"] == self.spec.logged and record["arm"] in self.spec.arms
        if not mine or self.outcome != RUNNING:
            return False
        if not self.seen.new([record]):
            return False
        if record["arm"] == self.stable:
            self.usual = self.usual.add(record["model_ms"], 0, FOREVER)
            return False
        self.answers += 1
        self.failed += any(reason.startswith(FAILED) for reason in record["degraded"])
        self.times = self.times.add(record["model_ms"], 0, FOREVER)
        return self._judge()

    def reward(self, arm: str, reward: float, weight: float = 1.0) -> bool:
        """Takes a reward of one of the two arms, back where its weight is below 0.

        Gives whether stage or outcome has changed.
        """
        earned = self.rewards.get(arm, Earned())
        self.rewards[arm] = earned.add(reward, 0, FOREVER, weight)
        more = 1 if weight > 0 else -1
        self.counts[arm] = self.counts.get(arm, 0) + more
        if arm == self.new:
            self.paid += more
        return self.outcome == RUNNING and weight > 0 and self._judge()

    def _judge(self) -> bool:
        enough = self.spec.option("answers"), self.spec.option("rewards")
        ends = self.answers >= enough[0] and self.paid >= enough[1]
        if self._guard(ends):
            return True
        self.reason = (
            f"stage of {STAGES[self.stage]:.0%}: {self.answers} answers by {self.new}, "
            f"{self.paid} rewards"
        )
        if not ends:
            return False
        if self.stage + 1 == len(STAGES):
            self.outcome = PROMOTED
            return True
        self.stage += 1
        self.answers, self.failed, self.paid, self.times = 0, 0, 0, Earned()
        return True

    def _guard(self, ends: bool) -> bool:
        """Whether a guard-rail is hit, and the retreat with it."""
        rewards = min(self.counts.get(arm, 0) for arm in (self.new, self.stable))
        timed = min(self.answers, int(self.usual.weight))
        hit = (
            self._failing(self._due("failures", self.answers, ends))
            or self._slow(self._due("times", timed, ends))
            or self._losing(self._due("rewards", rewards, ends))
        )
        if hit:
            self.outcome, self.reason = RETREATED, hit
        return bool(hit)

    def _due(self, guard: str, records: int, ends: bool) -> float:
        """The risk that a guard-rail may take now: what a stage counts anew, it has a part for."""
        name, parts = guard, GUARDS
        if guard != "rewards":
            name, parts = f"{guard} {self.stage}", GUARDS * len(STAGES)
        risk = (1 - self.spec.option("confidence")) / parts
        return self.looks.setdefault(name, Looks(risk)).due(records, ends)

    def _failing(self, risk: float) -> str:
        """The lower bound of the share of failures by Clopper and Pearson (1934)."""
        limit = self.spec.option("errors")
        if not risk or self.failed <= limit * self.answers:
            return ""
        if float(beta.ppf(risk, self.failed, self.answers - self.failed + 1)) <= limit:
            return ""
        return f"{self.failed} of {self.answers} answers failed; the limit is {limit:.1%}"

    def _slow(self, risk: float) -> str:
        """Welch's test of how much longer the mean answer takes."""
        limit, arms = self.spec.option("slow_ms"), (self.times, self.usual)
        if not risk:
            return ""
        longer = arms[0].mean - arms[1].mean
        error = math.sqrt(sum(a.noise / (a.weight - 1) / a.weight for a in arms))
        free = min(a.weight for a in arms) - 1
        if longer - limit <= float(t.ppf(1 - risk, free)) * error:
            return ""
        return (
            f"answers took {arms[0].mean:.1f} ms on average, those of {self.stable} "
            f"{arms[1].mean:.1f} ms; the limit is {limit:g} ms more (± {error:.2g})"
        )

    def _losing(self, risk: float) -> str:
        """Welch's test of the mean rewards, with the larger of two errors.

        Where few rewards differ from 0, an arm that has had none seems sure of its mean, and the
        noise of both tells more; where one arm alone had a large one, its own does.
        """
        if not risk:
            return ""
        arms = [self.rewards[arm] for arm in (self.new, self.stable)]
        behind = arms[1].mean - arms[0].mean
        pooled = sum(a.noise for a in arms) / sum(a.weight for a in arms)
        error = math.sqrt(
            max(sum(a.noise / a.weight**2 for a in arms), sum(pooled / a.weight for a in arms))
        )
        free = min(self.counts.values()) - 1
        if behind <= float(t.ppf(1 - risk, free)) * error:
            return ""
        return f"it earns {behind:.4g} less a request than {self.stable} (± {error:.2g})"
