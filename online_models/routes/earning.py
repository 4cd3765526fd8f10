"""From examples to what the arms have earned, and from that to editions of shares.

A function of the log alone: each arm's rewards are added in the order of its scores, and an edition
is made of what every arm had earned when its own scores passed the edition's time. So it does not
matter how the scores of different arms interleave, nor where a batch begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from online_models.routes.canary import Canary
from online_models.routes.earned import Earned
from online_models.routes.exploring import Exploring
from online_models.routes.ledgers import Known, Ledgers
from online_models.routes.record import record_of
from online_models.routes.rewards import Reward, reward_of
from online_models.routes.route import Edition, begun, deciding
from online_models.routes.specs import ANY, PolicySpec, declared, shares, spec_of
from schemas.declare import Domain

REMEMBERED = 50_000
"""Examples that are known again at most: for second copies, corrections, and scores that follow.
Corrections of older ones come too late to count."""

Record = Mapping[str, Any]
Entry = tuple[str, Record]
"""The name of a record's schema, and the record: policy, prediction, example or score."""


class Earnings:
    """What the arms of a domain earn, and its routes; can be pickled by `state` and `resume`."""

    def __init__(self, domain: Domain, seed: int, keep_all: bool = False) -> None:
        self._domain = domain
        self._reward: Reward = reward_of(domain)
        self._shadow = domain.routing.feedback == "shadow"
        self._keep_all = keep_all
        self._specs: list[PolicySpec] = [declared(domain)]  # the one that holds, and what is asked
        self._ledgers = Ledgers()
        self._known: dict[str, Known] = {}
        self._waiting: dict[str, dict[str, float]] = {}
        self._number = 0
        self._canaries: dict[int, Canary | None] = {0: Canary.of(self._specs[0])}
        self._exploring = Exploring.of(domain, seed)
        self.editions: list[Edition] = []
        self._changed = False

    @classmethod
    def resume(cls, domain: Domain, seed: int, state: Mapping[str, Any]) -> Earnings:
        """Earnings that go on from what `state` gave."""
        made = cls(domain, seed)
        vars(made).update(state)
        return made

    def state(self) -> dict[str, Any]:
        """All that has to survive a crash; can be pickled."""
        return {k: v for k, v in vars(self).items() if k not in {"_domain", "_reward"}}

    def take(self, entries: Iterable[Entry]) -> dict[str, Any] | None:
        """Takes records in the order of the log; gives a record of `route.avsc` where it changed.

        A policy must be one that the domain can have (`online_models.routes.specs.spec_of`).
        """
        takes = {
            "policy": self._take_policy,
            "prediction": self._take_prediction,
            "example": self._take_example,
            "score": self._take_score,
        }
        for name, record in entries:
            takes[name](record)
        self._publish()
        changed, self._changed = self._changed, False
        return self._record() if changed else None

    def _take_policy(self, record: Record) -> None:
        spec = spec_of(self._domain, record)
        if spec.version <= self._specs[-1].version:
            return
        self._specs.append(spec)
        self._canaries[spec.version] = Canary.of(spec)

    @property
    def _canary(self) -> Canary | None:
        """Of the newest policy: the one that can change."""
        return self._canaries[self._specs[-1].version]

    def _take_prediction(self, record: Record) -> None:
        if self._canary and self._canary.prediction(record):
            self._turn(record["time"])

    def _take_example(self, example: Record) -> None:
        for told in example.get("corrections", ()):
            if told["id"] in self._known:
                self._correct(self._known[told["id"]], told["label"])
        if example["id"] in self._known:
            return
        self._number += 1
        known = self._known[example["id"]] = self._entered(example)
        if self._exploring:
            self._exploring.take(example)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        if self._shadow:
            for arm, probability in self._waiting.pop(example["id"], {}).items():
                self._answer(known, arm, probability)
        else:
            self._ledgers.reach([*self._ledgers.of], known, self._tick(known))
            self._answer(known, example["arm"], example["probability"])

    def _entered(self, example: Record) -> Known:
        canary = self._canary
        return Known(
            number=self._number,
            time=example["time"],
            asked=example["asked"],
            label=example["label"],
            stake=self._reward.stake(example["vector"]),
            served=example["probability"],
            weight=1.0 / example["seen"],
            contexts=(ANY, *(f"{name}={value}" for name, value in example["slices"].items())),
            trial=canary is not None and example["policy"] == canary.spec.logged,
        )

    def _take_score(self, score: Record) -> None:
        """Holds a score whose example has not been read yet; a second copy earns nothing."""
        if not self._shadow:
            return
        known = self._known.get(score["id"])
        if known is None:
            waiting = self._waiting.setdefault(score["id"], {})
            waiting.setdefault(score["learner"], score["probability"])
            while len(self._waiting) > REMEMBERED:
                del self._waiting[next(iter(self._waiting))]
        elif score["learner"] not in known.answers:
            self._answer(known, score["learner"], score["probability"])

    def _answer(self, known: Known, arm: str, probability: float) -> None:
        """An arm's answer to an example earns its reward."""
        self._ledgers.reach([arm], known, self._tick(known))
        known.answers[arm] = probability
        self._earn(known, arm, 1.0)
        self._try(known, arm, 1.0)

    def _correct(self, known: Known, label: float) -> None:
        """Another label for an example takes the place of the one before it."""
        if label == known.label:
            return
        for arm in known.answers:
            self._earn(known, arm, -1.0)
        self._try(known, None, -1.0)
        known.label = label
        for arm in known.answers:
            self._earn(known, arm, 1.0)
        self._try(known, None, 1.0)

    def _earn(self, known: Known, arm: str, sign: float) -> None:
        reward, weight = self._worth(known, known.answers[arm]), sign * known.weight
        gained = reward - self._worth(known, known.served) if self._shadow else reward
        half_life = self._domain.routing.half_life
        self._ledgers.of[arm].earn(known, gained, reward, weight, half_life)

    def _worth(self, known: Known, probability: float) -> float:
        return self._reward.of(probability, known.label, known.stake)

    def _try(self, known: Known, arm: str | None, sign: float) -> None:
        """Tells a canary the rewards of its arms: in pairs where both have answered."""
        canary = self._canary
        if canary is None or not known.trial:
            return
        answers = {a: p for a, p in known.answers.items() if a in canary.spec.arms}
        if not self._shadow:
            pairs = {a: self._worth(known, p) for a, p in answers.items()}
        elif len(answers) == 2 and arm in {None, *answers}:
            worth = {a: self._worth(known, p) for a, p in answers.items()}
            pairs = {canary.new: worth[canary.new] - worth[canary.stable], canary.stable: 0.0}
        else:
            pairs = {}
        changed = [canary.reward(a, reward, sign * known.weight) for a, reward in pairs.items()]
        if any(changed):
            self._turn(known.time)

    def _tick(self, known: Known) -> int:
        return known.time // self._domain.routing.every

    def _publish(self) -> None:
        """Makes the editions of all ticks that the arms have come to.

        Where all of them are scored, every learner is waited for.
        """
        every = self._domain.routing.every
        for tick in self._ledgers.ticks(self._domain.learner_names if self._shadow else ()):
            self._begin(tick * every)
            self._ledgers.capture(tick)
            self._edit((tick + 1) * every)
        self._begin((self._ledgers.tick + 1) * every)

    def _begin(self, until: int) -> None:
        """Begins the policies that were asked for to hold from before `until`, as servers have.

        By what was captured at the start of the tick in which they begin: the newest by then.
        """
        while len(self._specs) > 1 and self._specs[1].since < until:
            del self._canaries[self._specs.pop(0).version]
            self.editions = begun(self.editions, self._specs[0], self.posteriors())
            self._changed = True

    def _turn(self, time: int) -> None:
        """A canary has changed: an edition at once, for units that begin from now on.

        An arm that is withdrawn loses its units of before as well, whatever policy comes next.
        """
        canary = self._canary
        if canary is None:
            return
        self._publish()
        self._begin(canary.spec.since + 1)
        if canary.withdrawn:
            self.editions = [e.without(canary.withdrawn, canary.stable) for e in self.editions]
        self._edit(time)

    def _edit(self, since: int) -> None:
        """Adds an edition of what is captured, by the policy that holds."""
        since = max(since, self.editions[-1].since if self.editions else since)
        spec = self._specs[0]
        self.editions.append(Edition(since, spec.logged, self._shares(spec)))
        self._changed = True
        if not self._keep_all:
            self.editions = deciding(self.editions, self._domain.routing)

    def _shares(self, spec: PolicySpec) -> dict[str, dict[str, float]]:
        canary = self._canaries[spec.version]
        if canary is None:
            exploring = self._exploring
            return shares(exploring.widened(spec) if exploring else spec, self.posteriors())
        if canary.withdrawn:
            return {ANY: {canary.stable: 1.0, canary.new: 0.0}}
        return shares(spec, {}, canary.stage)

    def posteriors(self) -> dict[str, dict[str, Earned]]:
        """What the arms had earned as of the newest edition, by context and arm."""
        return self._ledgers.posteriors(self._time, self._domain.routing.half_life)

    @property
    def _time(self) -> int:
        """Of the newest edition's tick, in ms; 0 before the first."""
        return max(self._ledgers.tick, 0) * self._domain.routing.every

    def _record(self) -> dict[str, Any]:
        spec = self._specs[0]
        canary, rewards = self._canaries[spec.version], self._ledgers.rewards()
        posteriors = self.posteriors()
        return record_of(self._time, spec, canary, self.editions, posteriors, rewards)
