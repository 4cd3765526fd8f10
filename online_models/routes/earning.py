"""From examples to what the arms have earned, and from that to editions of shares.

A function of the log alone: each arm's rewards are added in the order of its scores, and an edition
is made of what every arm had earned when its own scores passed the edition's time. So it does not
matter how the scores of different arms interleave, nor where a batch begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from online_models.routes.canary import Canary
from online_models.routes.earned import Earned
from online_models.routes.exploring import Exploring
from online_models.routes.ledgers import Capture, Known, Ledger
from online_models.routes.rewards import Reward, reward_of
from online_models.routes.route import Edition, begun
from online_models.routes.specs import ANY, PolicySpec, declared, shares, spec_of
from schemas.declare import Domain

REMEMBERED = 50_000
"""Examples that are known again at most: for second copies, corrections, and scores that follow.
Corrections of older ones come too late to count."""
PATIENCE = 10_000
"""Examples by which an arm may be behind before editions are made without it."""

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
        self._ledgers: dict[str, Ledger] = {}
        self._known: dict[str, Known] = {}
        self._waiting: dict[str, dict[str, float]] = {}
        self._number = 0
        self._published = -1
        self._captured: dict[str, Capture] = {}
        self._canaries: dict[int, Canary | None] = {0: Canary.of(self._specs[0])}
        self._exploring = Exploring.of(domain, seed)
        self._time = 0
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
            for ledger in self._ledgers.values():
                ledger.reach(known, self._tick(known))
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
        self._ledgers.setdefault(arm, Ledger()).reach(known, self._tick(known))
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
        ledger, half_life = self._ledgers[arm], self._domain.routing.half_life
        reward, weight = self._worth(known, known.answers[arm]), sign * known.weight
        gained = reward - self._worth(known, known.served) if self._shadow else reward
        for context in known.contexts:
            earned = ledger.earned.get(context, Earned())
            ledger.earned[context] = earned.add(gained, known.time, half_life, weight)
        ledger.rewards = ledger.rewards.add(reward, known.time, half_life, weight)

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
        """Makes the editions of all ticks that every running arm has come to."""
        front = max((ledger.number for ledger in self._ledgers.values()), default=0)
        running = [one for one in self._awaited() if front - one.number <= PATIENCE]
        reached = min((-1 if one.tick is None else one.tick for one in running), default=-1)
        ticks = {c.tick for one in running for c in one.captures if c.tick <= reached}
        for tick in sorted(tick for tick in ticks if tick > self._published):
            self._begin(tick * self._domain.routing.every)
            self._published = tick
            for arm, ledger in self._ledgers.items():
                while ledger.captures and ledger.captures[0].tick <= tick:
                    self._captured[arm] = ledger.captures.popleft()
            self._time = tick * self._domain.routing.every
            self._edit(self._time + self._domain.routing.every)
        self._begin((self._published + 1) * self._domain.routing.every)

    def _begin(self, until: int) -> None:
        """Begins the policies that were asked for to hold from before `until`, as servers have.

        By what was captured at the start of the tick in which they begin: the newest by then.
        """
        while len(self._specs) > 1 and self._specs[1].since < until:
            del self._canaries[self._specs.pop(0).version]
            self.editions = begun(self.editions, self._specs[0], self.posteriors())
            self._changed = True

    def _awaited(self) -> list[Ledger]:
        """The accounts that an edition waits for: every learner scores every example."""
        if not self._shadow:
            return list(self._ledgers.values())
        missing = set(self._domain.learner_names) - self._ledgers.keys()
        return [*self._ledgers.values(), *(Ledger() for _ in missing)]

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
            self._forget()

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
        half_life = self._domain.routing.half_life
        found: dict[str, dict[str, Earned]] = {}
        for arm in sorted(self._captured):
            for context, earned in sorted(self._captured[arm].earned.items()):
                found.setdefault(context, {})[arm] = earned.at(self._time, half_life)
        return found

    def _forget(self) -> None:
        """Drops editions by which no unit can be decided any more."""
        oldest = self.editions[-1].since - self._domain.routing.sticky_for
        oldest -= self._domain.routing.every
        while len(self.editions) > 1 and self.editions[1].since <= oldest:
            del self.editions[0]

    def _record(self) -> dict[str, Any]:
        """A record of `route.avsc`."""
        spec = self._specs[0]
        canary = self._canaries[spec.version]
        return {
            "time": self._time,
            "policy": spec.name,
            "version": spec.version,
            "posteriors": self._posterior_records(),
            "editions": [edition._asdict() for edition in self.editions],
            "withdrawn": list(canary.withdrawn) if canary else [],
            "stage": canary.stage if canary else -1,
            "outcome": canary.outcome if canary else "",
            "reason": canary.reason if canary else "",
        }

    def _posterior_records(self) -> Sequence[dict[str, Any]]:
        return [
            {
                "arm": arm,
                "context": context,
                **earned._asdict(),
                "reward": self._captured[arm].reward if context == ANY else earned.mean,
            }
            for context, arms in self.posteriors().items()
            for arm, earned in arms.items()
        ]
