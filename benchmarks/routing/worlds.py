"""Payments in which the best arm changes, and what every arm would have answered.

Each learner answers and learns once in a world, from every label; policies then choose among these
answers. So all policies see the same arms, and what each choice earns is known in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.worlds import EPOCH, payment_vectors
from benchmarks.learning.asked import Asked, as_joined
from benchmarks.learning.quality import prequential
from online_models.learners import make
from online_models.routes.rewards import reward_of
from schemas.declare import DAY, DeclarationError, Domain, Routing, Stopping
from schemas.domains import load
from schemas.payments.simulator import World, plants, simulate

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

DAYS, SINCE = 240, 60
"""Days of payments; policies begin on day SINCE: before, learners know hardly a genuine payment,
for a chargeback comes sooner than silence tells."""
PLANTED = ("covariate@120x3", "concept@180")
"""Amounts triple; later the frauds of large amounts end and small ones abroad begin."""
CUSTOMERS, TERMINALS = 600, 240
"""Some 160,000 payments and 800 frauds: with a third of them arms cannot be told apart."""


def _declared() -> Stopping:
    reward = load("payments").routing.reward
    if not isinstance(reward, Stopping):
        raise DeclarationError(f"payments: reward {reward}; expected one in money")
    return reward


MONEY = _declared()
"""It breaks even at an amount of 95."""

PICKED = ("base-rate", "logistic", "tree", "logistic-static")
"""Of the domain's learners those that take the least time, and unlike each other."""
ARMS = tuple(spec for spec in load("payments").learners if spec.name in PICKED)
NAMES = tuple(spec.name for spec in ARMS)


def domain_of(feedback: str = "served") -> Domain:
    """Payments with these arms and a reward in money; shares are renewed daily."""
    given: dict[str, Any] = {"feedback": feedback}
    routing = Routing(
        sticky=("customer",),
        sticky_for=DAY,
        reward=MONEY,
        half_life=30 * DAY,
        every=DAY,
        **given,
    )
    return replace(load("payments"), learners=ARMS, served="logistic", routing=routing)


@dataclass(frozen=True)
class Arms:
    """What arms answer to n questions: `answers` as served, `before` when they learn [n, arms].

    `requests` have what routes look at. `reward` [n, arms] is what each answer earns, `other` what
    it would have with the other label.
    """

    asked: Asked
    requests: Sequence[dict[str, Any]]
    answers: F8
    before: F8
    reward: F8
    other: F8

    @property
    def day(self) -> I8:
        """The day of each question, from 0."""
        return np.asarray((self.asked.at - EPOCH) // DAY)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which questions count."""
        return np.asarray(self.day >= SINCE)


def payments(seed: int, days: int = DAYS, planted: Sequence[str] = PLANTED) -> tuple[Asked, Any]:
    """The questions of a world, and its payments as they were simulated."""
    kept = tuple(one for one in plants(planted) if one.day < days)
    world = World(days, seed=seed, customers=CUSTOMERS, terminals=TERMINALS, planted=kept)
    paid, domain = simulate(world), load("payments")
    label = (paid.chargeback > 0).astype(np.float64)
    labelled = paid.time + np.where(label > 0, paid.chargeback, domain.label.deadline)
    labelled = as_joined(domain.label, paid.time, labelled)
    ids = np.char.add("p", np.arange(len(label)).astype(str))
    vectors = payment_vectors(world, paid)
    names, at = domain.vector_names, paid.time + EPOCH
    return Asked(names, ids, at, vectors, label, labelled + EPOCH), paid


def arms(
    seed: int,
    days: int = DAYS,
    planted: Sequence[str] = PLANTED,
    folder: Path | None = None,
) -> Arms:
    """A world with every arm's answers; the same seed gives the same.

    Answers are kept in `folder` for the next time: empty it when a learner has changed.
    """
    domain = domain_of()
    asked, paid = payments(seed, days, planted)
    answers, before = _answers(domain, asked, seed, folder, repr((seed, days, planted)))
    columns = (asked.ids, paid.customer, paid.kind, paid.country)
    requests = [
        {"id": id_, "customer": f"c{who}", "kind": kind, "country": country}
        for id_, who, kind, country in zip(*(c.tolist() for c in columns), strict=True)
    ]
    earned = [rewards(domain, asked, answers, label) for label in (asked.label, 1 - asked.label)]
    return Arms(asked, requests, answers, before, *earned)


def _answers(
    domain: Domain, asked: Asked, seed: int, folder: Path | None, world: str
) -> tuple[F8, F8]:
    """As served and as they are just before learning [n, arms]."""
    kept = folder and folder / f"{_digest(repr((world, CUSTOMERS, TERMINALS, ARMS)))}.npz"
    if kept and kept.exists():
        with np.load(kept) as found:
            return found["answers"], found["before"]
    outcomes = [prequential(asked, make(spec, domain, seed)) for spec in ARMS]
    answers = np.column_stack([one.asked for one in outcomes])
    before = np.column_stack([one.before for one in outcomes])
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, answers=answers, before=before)
    return answers, before


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def rewards(domain: Domain, asked: Asked, answers: F8, labels: F8) -> F8:
    """What every answer earns with these labels [n, arms], by the domain's reward."""
    reward = reward_of(domain)
    stakes = [reward.stake(vector) for vector in asked.vectors.tolist()]
    rows = zip(answers.tolist(), labels.tolist(), stakes, strict=True)
    return np.array([[reward.of(p, label, stake) for p in row] for row, label, stake in rows])
