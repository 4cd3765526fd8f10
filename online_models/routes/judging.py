"""Judges a policy or an arm from what was logged of another one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from online_models.routes.earning import Earnings
from online_models.routes.intervals import Floats, Unsupported
from online_models.routes.offpolicy import Estimate, Log, doubly_robust, mean, snips
from online_models.routes.policies import PolicyError
from online_models.routes.rewards import Reward, reward_of
from online_models.routes.route import Edition
from online_models.routes.specs import ANY, PolicySpec, shares
from schemas.declare import Domain, Stopping

Record = Mapping[str, Any]

SURE = 3.0
"""Standard errors by which scores must differ from what was served before they are refused."""

_HIDDEN = "the outcome of what is stopped never comes to light: let a share through (let_through)"


class Judged(NamedTuple):
    """A way to estimate, and its estimate or why there is none."""

    way: str
    estimate: Estimate | None
    why: str = ""


@dataclass(frozen=True)
class Logged:
    """Examples as they were served, each once by its newest label, and every arm's scores of them.

    `examples` are those that are judged, `history` all there are, as they came: policies learn from
    these, and of another label when it comes.
    """

    domain: Domain
    examples: Sequence[Record]
    scores: Sequence[Record]
    log: Log
    history: Sequence[Record]

    @classmethod
    def of(
        cls,
        domain: Domain,
        examples: Iterable[Record],
        scores: Iterable[Record],
        since: int | None = None,
    ) -> Logged:
        """From records in the order of their topics, judging those asked from `since` (ms) on.

        Raises Unsupported where there are none.
        """
        history = list({example["id"]: example for example in examples}.values())
        newest = _corrected(
            (each for each in history if since is None or each["asked"] >= since), history
        )
        if not newest:
            raise Unsupported(
                "the log holds no example " + ("that was asked since then" if history else "yet")
            )
        reward = reward_of(domain)
        arms = [spec.name for spec in domain.learners]
        arms += sorted({example["arm"] for example in newest} - {*arms})
        numbered = {arm: number for number, arm in enumerate(arms)}
        slices = [repr(sorted(example["slices"].items())) for example in newest]
        units = [example["unit"] or f"id {example['id']}" for example in newest]
        worth = np.array([_worth(reward, each, each["probability"]) for each in newest])
        log = Log(
            arms,
            np.array([numbered[example["arm"]] for example in newest]),
            np.array([example["propensity"] for example in newest]),
            worth[:, 0],
            np.unique(slices, return_inverse=True)[1],
            np.unique(units, return_inverse=True)[1],
            np.array([1.0 / example["seen"] for example in newest]),
            worth[:, 1],
        )
        return cls(domain, newest, list(scores), log, history)

    def target(self, spec: PolicySpec, seed: int) -> Floats:
        """The spec's probabilities [n, arms] as it would have been when each example was asked.

        Policies that learn are run over the log, with the seed of the flow; before their first
        edition they know nothing.
        """
        if spec.name == "canary":
            raise PolicyError("a canary goes by what it is served: judge its --arm instead")
        editions = [Edition(-(2**63), "", shares(spec, {})), *self._editions(spec, seed)]
        starts = [edition.since for edition in editions]
        target = np.zeros((len(self.examples), len(self.log.arms)))
        for row, example in enumerate(self.examples):
            found = editions[bisect_right(starts, example["asked"]) - 1]
            context = f"{found.by}={example['slices'].get(found.by)}"
            for arm, p in found.shares.get(context, found.shares[ANY]).items():
                target[row, self.log.arms.index(arm)] = p
        return target

    def _editions(self, spec: PolicySpec, seed: int) -> Sequence[Edition]:
        routing = replace(
            self.domain.routing,
            policy=spec.name,
            arms=tuple(spec.arms),
            options=spec.options,
            by=spec.by,
        )
        if spec.name in {"fixed", "shadow", "split"}:
            return []
        run = Earnings(replace(self.domain, routing=routing), seed, keep_all=True)
        entries = [("example", each) for each in self.history]
        run.take([*entries, *(("score", each) for each in self.scores)])
        return run.editions

    def judge(self, target: Floats, confidence: float) -> list[Judged]:
        """Every estimate of a policy with these probabilities, and of what was served.

        None where outcomes stay hidden for good: no weight can stand for what is never seen.
        """
        ways: Mapping[str, Callable[[], Estimate]] = {
            "as served": lambda: mean(self.log, self.log.reward, self.log.other, confidence),
            "SNIPS": lambda: snips(self.log, target, confidence),
            "doubly robust": lambda: doubly_robust(self.log, target, confidence),
            "by all arms' scores": lambda: self._by_scores(target, confidence),
        }
        reward = self.domain.routing.reward
        if isinstance(reward, Stopping) and not reward.let_through:
            return [Judged(way, None, _HIDDEN) for way in ways]
        return [_tried(way, estimate) for way, estimate in ways.items()]

    def _by_scores(self, target: Floats, confidence: float) -> Estimate:
        """The mean of what each arm's score would have earned, where all of them are known."""
        rewards, reward = np.full((*target.shape, 2), np.nan), reward_of(self.domain)
        rows = {example["id"]: row for row, example in enumerate(self.examples)}
        for score in self.scores:
            row = rows.get(score["id"])
            if row is not None and score["learner"] in self.log.arms:
                arm = self.log.arms.index(score["learner"])
                rewards[row, arm] = _worth(reward, self.examples[row], score["probability"])
        chosen = target[:, :, None]
        expected = np.where(chosen > 0, chosen * rewards, 0.0).sum(axis=1)
        missing = int((~np.isfinite(expected[:, 0])).sum())
        if missing:
            raise Unsupported(f"{missing} of {len(expected)} examples lack a score of its arms")
        estimate = mean(self.log, expected[:, 0], expected[:, 1], confidence)
        served = rewards[np.arange(len(expected)), self.log.arm, 0]
        _check_scores(self.log, served, estimate)
        return estimate


def _corrected(examples: Iterable[Record], history: Iterable[Record]) -> list[Record]:
    """The examples, each with the newest label that one of the history brings for it."""
    told = [each for example in history for each in example.get("corrections", ())]
    newest = {each["id"]: each["label"] for each in sorted(told, key=lambda each: each["time"])}
    return [{**one, "label": newest.get(one["id"], one["label"])} for one in examples]


def _check_scores(log: Log, scored: Floats, estimate: Estimate) -> None:
    """Raises where what was served would have earned something else by its arms' scores.

    A score is given when the label comes: where that is late, its learner has learned much since.
    """
    known = np.isfinite(scored)
    stands_for = np.where(known, log.stands_for, 0.0)
    ahead = np.where(known, scored - log.reward, 0.0)
    lead = float(ahead @ stands_for) / max(float(stands_for.sum()), 1e-12)
    sums = log.by_unit((ahead - lead) * stands_for)
    error = float(np.sqrt(sums @ sums)) / max(float(stands_for.sum()), 1e-12)
    if abs(lead) > max(SURE * error, (estimate.high - estimate.low) / 2):
        raise Unsupported(
            f"by its arms' scores what was served would have earned {lead:+.4g} a request: scores "
            "are given when labels come, which is too late here to stand for answers"
        )


def _worth(reward: Reward, example: Record, probability: float) -> tuple[float, float]:
    """What an answer has earned, and what it would have with the other label."""
    stake, label = reward.stake(example["vector"]), example["label"]
    return reward.of(probability, label, stake), reward.of(probability, 1.0 - label, stake)


def _tried(way: str, estimate: Callable[[], Estimate]) -> Judged:
    try:
        return Judged(way, estimate())
    except Unsupported as error:
        return Judged(way, None, str(error))
