"""Streams of payments with and without planted drift, as arrays.

The payments are those of `schemas.payments.simulator`. Their features are computed over the exact
windows, all payments at once, where the flows keep tiles: 60 days of vectors from tiles take a
minute, too long for a hundred worlds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.asked import as_joined
from online_models.drift.columns import Column, input_columns
from schemas.declare import DAY, HOUR, SECOND, Drift
from schemas.domains import load
from schemas.payments.simulator import Planted, World, late_by, simulate

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
EPOCH = 1_704_067_200_000
"""2024-01-01, a Monday: event times of the simulated streams count from here."""


@dataclass(frozen=True)
class Stream:
    """n questions: values [n, columns] with the served score last, labels and when these came.

    `planted` is the event time of a planted drift of that `kind`; None and "" where nothing was.
    `seen` is how likely the outcome of each was to come to light, 0 where it never does; None where
    all do.
    """

    columns: tuple[Column, ...]
    drift: Drift
    times: I8
    values: F8
    labels: F8
    labelled: I8
    planted: int | None = None
    kind: str = ""
    seen: F8 | None = None

    @property
    def scores(self) -> F8:
        """What was answered."""
        return self.values[:, -1]

    @property
    def known(self) -> I8:
        """Places of the questions whose labels came before the end, in the order of these."""
        order: I8 = np.argsort(self.labelled, kind="stable")
        came = self.labelled <= self.times[-1]
        if self.seen is not None:
            came &= self.seen > 0
        known: I8 = order[came[order]]
        return known

    @property
    def weights(self) -> F8:
        """How many outcomes that of each `known` question stands for."""
        known = self.known
        return np.ones(len(known)) if self.seen is None else 1 / self.seen[known]


class Payers:
    """Payments that are visible from `seen` on, by one entity, to be looked up at any time."""

    def __init__(self, entity: NDArray[Any], time: I8, seen: I8) -> None:
        self._entity, self._time, self._seen = entity, time, seen
        self.order = np.lexsort((time, entity))
        span = np.int64(2) ** 42
        self._key = entity[self.order] * span + time[self.order]
        self._shown = entity[self.order] * span + seen[self.order]
        self._span = span

    def window(self, entity: NDArray[Any], at: I8, over: int) -> tuple[I8, I8]:
        """First place and place after the last of (at - over, at] in `order`."""
        first = np.searchsorted(self._key, entity * self._span + np.maximum(at - over, -1), "right")
        last = np.searchsorted(self._shown, entity * self._span + at, "right")
        return first, np.maximum(first, last)


DAYS, PLANTED = 180, 125
"""Of payments: features and labels fill for 58 days, 56 are the reference, then it is watched."""
KINDS = {"covariate": "covariate", "label": "label", "concept": "concept", "lag": "covariate"}


def payments_stream(seed: int, plant: str = "") -> Stream:
    """Payments of 500 customers with the domain's vectors, served by a model that learns.

    `plant` is one of KINDS, planted on day PLANTED at its usual strength.
    """
    domain = load("payments")
    planted = (Planted.parse(f"{plant}@{PLANTED}"),) if plant else ()
    world = World(DAYS, seed=seed, customers=500, terminals=200, planted=planted)
    paid = simulate(world)
    label = (paid.chargeback > 0).astype(np.float64)
    labelled = paid.time + np.where(label > 0, paid.chargeback, domain.label.deadline)
    labelled = as_joined(domain.label, paid.time, labelled)
    values = payment_vectors(world, paid)
    scores = served(_seen(values), paid.time, label, labelled, -5.0)
    since = EPOCH + PLANTED * DAY if plant else None
    return Stream(input_columns(domain), domain.drift, paid.time + EPOCH,
                  np.column_stack([values, scores]), label, labelled + EPOCH,
                  since, KINDS.get(plant, ""))  # fmt: skip


def payment_vectors(world: World, paid: Any) -> F8:
    """The domain's vectors of the payments, over exact windows where the flows keep tiles."""
    at = paid.time
    booked = at + SECOND
    seen = booked + late_by(world, at)
    back = np.flatnonzero(paid.chargeback)
    back_time = at[back] + paid.chargeback[back]
    payer = Payers(paid.customer, booked, seen)
    till = Payers(paid.terminal, booked, seen)
    columns: list[Any] = [paid.amount, paid.distance, at // HOUR % 24, at // DAY % 7]
    columns += _customer(payer, paid, at, booked)
    columns.append(_number(Payers(paid.customer[back], back_time, back_time),
                           paid.customer, at, 28 * DAY))  # fmt: skip
    columns.append(_number(till, paid.terminal, at, DAY))
    columns.append(_mean(till, paid.terminal, at, 7 * DAY, paid.amount))
    columns.append(_number(till, paid.terminal, at, 28 * DAY))
    returned = Payers(paid.terminal[back], back_time, back_time)
    columns += [_number(returned, paid.terminal, at, n * DAY) for n in (7, 28)]
    columns += [_codes(paid.kind), _codes(paid.country), at // HOUR % 24]
    return np.column_stack([np.asarray(column, np.float64) for column in columns])


def _customer(payer: Payers, paid: Any, at: I8, booked: I8) -> Iterator[Any]:
    who = paid.customer
    for over in (HOUR, DAY, 7 * DAY):
        yield _number(payer, who, at, over)
    yield _mean(payer, who, at, DAY, paid.amount)
    mean = _mean(payer, who, at, 28 * DAY, paid.amount)
    yield mean
    square = _mean(payer, who, at, 28 * DAY, paid.amount**2)
    yield np.sqrt(np.maximum(square - mean**2, 0.0))
    first, last = payer.window(who, at, 28 * DAY)
    yield _maximum(paid.amount[payer.order], first, last)
    yield _mean(payer, who, at, 7 * DAY, paid.distance)
    yield _distinct(payer, paid, at)
    none = last == first
    newest = payer.order[np.maximum(last - 1, 0)]
    yield np.where(none, np.nan, (at - booked[newest]) / SECOND)
    first, last = payer.window(who, at, 7 * DAY)
    newest = payer.order[np.maximum(last - 1, 0)]
    yield np.where(last == first, np.nan, paid.amount[newest])


def _number(payers: Payers, entity: NDArray[Any], at: I8, over: int) -> F8:
    first, last = payers.window(entity, at, over)
    return (last - first).astype(np.float64)


def _mean(payers: Payers, entity: NDArray[Any], at: I8, over: int, value: F8) -> F8:
    first, last = payers.window(entity, at, over)
    sums = np.concatenate([[0.0], np.cumsum(value[payers.order])])
    number = last - first
    return np.where(number > 0, (sums[last] - sums[first]) / np.maximum(number, 1), np.nan)


def _maximum(ordered: F8, first: I8, last: I8) -> F8:
    cuts = np.column_stack([first, last]).ravel()
    found = np.maximum.reduceat(np.append(ordered, -np.inf), cuts)[::2]
    return np.where(last > first, found, np.nan)


def _distinct(payer: Payers, paid: Any, at: I8) -> F8:
    """Terminals of the last seven days: payments whose terminal has no earlier one among them."""
    first, last = payer.window(paid.customer, at, 7 * DAY)
    pair = (paid.customer * 1_000_000 + paid.terminal)[payer.order]
    by_pair = np.argsort(pair, kind="stable")
    earlier = np.full(len(pair), -1)
    same = np.flatnonzero(pair[by_pair][1:] == pair[by_pair][:-1])
    earlier[by_pair[same + 1]] = by_pair[same]
    owner = np.repeat(np.arange(len(first)), last - first)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(last - first) - (last - first) - first,
                                              last - first)  # fmt: skip
    new = earlier[place] < first[owner]
    return np.bincount(owner, weights=new, minlength=len(first)).astype(np.float64)


def _codes(values: NDArray[Any]) -> I8:
    found = np.unique(values)
    return np.searchsorted(found, values)


def served(seen: F8, at: I8, label: F8, labelled: I8, bias: float) -> F8:
    """Answers of a logistic regression that learns at midnight all labels of the day (AdaGrad).

    A stand-in for the domain's learner, which does the same label by label at a hundred times the
    price.
    """
    weights, squares = np.zeros(seen.shape[1]), np.full(seen.shape[1], 1e-2)
    weights[0], out = bias, np.empty(len(at))
    known = np.argsort(labelled, kind="stable")
    days = np.arange(int(at[-1] // DAY) + 2) * DAY
    asked, came = np.searchsorted(at, days), np.searchsorted(labelled[known], days)
    for day in range(len(days) - 1):
        today, new = slice(asked[day], asked[day + 1]), known[came[day] : came[day + 1]]
        out[today] = 1 / (1 + np.exp(-seen[today] @ weights))
        for part in np.array_split(new, len(new) // 50 + 1):
            wrong = 1 / (1 + np.exp(-seen[part] @ weights)) - label[part]
            gradient = seen[part].T @ wrong / max(1, len(part))
            squares += gradient**2
            weights -= 0.03 * gradient / np.sqrt(squares)
    return out


def _seen(values: F8) -> F8:
    """One, then the columns as signed logarithms, standardised over the first 30,000 questions."""
    kinds = values[:, -3:-1]
    hot = [kinds[:, i] == code for i in (0, 1) for code in range(6)]
    logs = np.sign(values[:, :-3]) * np.log1p(np.abs(values[:, :-3]))
    mean, deviation = np.nanmean(logs[:30_000], axis=0), np.nanstd(logs[:30_000], axis=0)
    logs = np.nan_to_num((logs - mean) / np.maximum(deviation, 1e-3))
    return np.column_stack([np.ones(len(values)), np.clip(logs, -5, 5), *hot]).astype(np.float64)
