"""What becomes of a learner whose own decisions hide the outcomes that it would learn from.

A stopped payment is never charged back, and says nothing by its silence either. From the day on
which stopping begins, the learner's answer decides what it gets to know, and the features count
only chargebacks that come. Stopped payments count as payments all the same.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.learning.asked import Asked
from benchmarks.routing.worlds import ARMS, F8, MONEY, SINCE, domain_of, payments
from online_models.evaluation import measure
from online_models.learners import make
from online_models.routes.decisions import Decider
from schemas.declare import DAY

SHARES: tuple[float | None, ...] = (None, 0.0, 0.1)
"""Let through; None: every outcome comes to light, which is not to be had."""
LEARNER = next(spec for spec in ARMS if spec.name == "logistic")
PERIOD = 30


@dataclass(frozen=True)
class Lived:
    """By 30 days since stopping began: average precision, net money, payments stopped, seen."""

    share: float | None
    seed: int
    precision: list[float]
    money: list[float]
    stopped: list[int]

    @property
    def name(self) -> str:
        """How it is called."""
        return "all seen" if self.share is None else f"{self.share:.0%} let through"


class _Chargebacks:
    """Recent chargebacks of every customer and terminal, as the domain's features count them."""

    def __init__(self, asked: Asked, paid: Any) -> None:
        spans = {"customer": (28,), "terminal": (7, 28)}
        self._who = {name: getattr(paid, name).tolist() for name in spans}
        self._columns = [
            (name, days * DAY, asked.names.index(f"{name}.chargeback.count.{24 * days}h"))
            for name in spans
            for days in spans[name]
        ]
        self._times: dict[tuple[str, int], deque[int]] = {}

    def came(self, question: int, time: int) -> None:
        """A chargeback of that question's payment."""
        for name, who in self._who.items():
            self._times.setdefault((name, who[question]), deque(maxlen=1_000)).append(time)

    def seen(self, vector: list[float], question: int, at: int) -> list[float]:
        """The vector with the counts of those that came."""
        vector = vector.copy()
        for name, span, column in self._columns:
            times = self._times.get((name, self._who[name][question]), ())
            vector[column] = float(sum(at - span < time <= at for time in times))
        return vector


def live(seed: int, share: float | None, days: int, planted: Sequence[str]) -> Lived:
    """One world, lived through by one learner that decides from day SINCE on."""
    asked, paid = payments(seed, days, planted)
    domain = domain_of()
    reward = replace(MONEY, let_through=share or 0.0)
    domain = replace(domain, routing=replace(domain.routing, reward=reward))
    decider, learner = Decider(domain), make(LEARNER, domain, seed)
    begins = int(asked.at[0]) // DAY * DAY + SINCE * DAY
    back, vectors = _Chargebacks(asked, paid), asked.vectors.tolist()
    answers = np.zeros(len(asked))
    stopped = np.zeros(len(asked), np.bool_)
    coming: list[tuple[int, int, list[float], float]] = []
    for question, at in enumerate(asked.at.tolist()):
        while coming and coming[0][0] <= at:
            time, known, vector, weight = heapq.heappop(coming)
            learner.learn(vector, float(asked.label[known]), weight)
            if asked.label[known]:
                back.came(known, time)
        vector = back.seen(vectors[question], question, at)
        answers[question] = learner.predict(vector)
        seen = 1.0
        if at >= begins:
            decision = decider.decide(str(asked.ids[question]), float(answers[question]))
            stopped[question], seen = bool(decision.stop), decision.seen
        if share is None or seen:
            weight = 1.0 if share is None else 1.0 / seen
            heapq.heappush(coming, (int(asked.labelled[question]), question, vector, weight))
    return _told(asked, answers, stopped, begins, share, seed)


def _told(
    asked: Asked, answers: F8, stopped: Any, begins: int, share: float | None, seed: int
) -> Lived:
    amount = asked.vectors[:, asked.names.index("amount")]
    money = np.where(stopped, np.where(asked.label > 0, amount, -MONEY.cost), 0.0)
    period = (asked.at - begins) // (PERIOD * DAY)
    inside = [period == number for number in range(int(period.max()) + 1)]
    return Lived(
        share,
        seed,
        [measure(asked.label[one], answers[one]).average_precision for one in inside],
        [float(money[one].sum()) for one in inside],
        [int(stopped[one].sum()) for one in inside],
    )
