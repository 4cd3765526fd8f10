"""Who defrauds whom, and from a planted label shift on how much more of each kind there is.

Kinds of fraud after Le Borgne et al. (`simulator.py`): a large single payment, a terminal that is
compromised for weeks, a card that is for days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

FRAUDS = ("genuine", "amount", "terminal", "card", "abroad")
"""What a payment is; `abroad` only starts with a planted concept drift, which ends `amount`."""

RATES = {"amount": 0.002, "terminal": 0.35, "card": 0.5}
"""Chance that a payment (with the compromised terminal or card) is this fraud."""


MOST_FRAUD = 50.0
"""The strongest label shift: a quarter of payments are fraud, a third of terminals stolen."""


@dataclass(frozen=True)
class Things:
    """Terminals or cards: compromised with a chance `daily`, for `lasting` days.

    `of` [n] is the one of each payment; there are `number` of them for `days`.
    """

    number: int
    days: int
    of: I8
    daily: float
    lasting: int

    @property
    def share(self) -> float:
        """Of them, those that are compromised at any one time."""
        return float(1.0 - (1.0 - self.daily) ** self.lasting)

    def daily_for(self, share: float) -> float:
        """The chance a day with which so large a share is compromised."""
        return float(1.0 - (1.0 - share) ** (1.0 / self.lasting))


def terminals(number: int, days: int, of: I8) -> Things:
    """One in two hundred is compromised at any time, for weeks."""
    return Things(number, days, of, daily=0.00025, lasting=21)


def cards(number: int, days: int, of: I8) -> Things:
    """One in four hundred is, for days."""
    return Things(number, days, of, daily=0.00035, lasting=7)


@dataclass(frozen=True)
class Shift:
    """From the day `since` there is `factor` times as much fraud of each kind.

    Its draws are its own, so that all else is as in the world without it.
    """

    since: float
    factor: float
    rng: np.random.Generator

    def shares(self, terminals: Things, cards: Things) -> tuple[float, float]:
        """What shares of both must be compromised for that.

        They are a little more than `factor` times as large: of payments that are several frauds
        at once only one is counted, and those are multiplied twice.
        """
        single = RATES["amount"]
        left = (1.0 - single) / (1.0 - self.factor * single)
        stolen = self.factor * cards.share * left
        return self.factor * terminals.share * left * (1.0 - cards.share) / (1.0 - stolen), stolen


def plant_fraud(
    terminals: Things,
    cards: Things,
    day: F8,
    shift: Shift,
    changed: float,
    rng: np.random.Generator,
) -> I8:
    """Which payment [n] is which fraud, as an index of FRAUDS.

    A stolen card hides a compromised terminal, a single fraud hides both; from the day `changed`
    on single frauds are `abroad`.
    """
    for_terminals, for_cards = shift.shares(terminals, cards)
    chance = rng.random(len(day))
    fraud = np.zeros(len(day), dtype=np.int64)
    stolen = _compromised(terminals, day, shift, for_terminals, rng)
    fraud[stolen & (chance < RATES["terminal"])] = FRAUDS.index("terminal")
    stolen = _compromised(cards, day, shift, for_cards, rng)
    fraud[stolen & (chance < RATES["card"])] = FRAUDS.index("card")
    factor = np.where(day >= shift.since, shift.factor, 1.0)
    single = rng.random(len(day)) < RATES["amount"] * factor
    fraud[single & (day < changed)] = FRAUDS.index("amount")
    fraud[single & (day >= changed)] = FRAUDS.index("abroad")
    return fraud


def _compromised(
    things: Things,
    day: F8,
    shift: Shift,
    shifted: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Whether the payment's thing is compromised then; after the shift a share `shifted` is.

    For the shift starts are added to the usual ones, or some of them left out: also of those that
    are under way when it begins. The first lie `lasting` days before the first day, so that there
    is no lull at first.
    """
    size = (things.number, things.days + things.lasting)
    usual = rng.random(size) < things.daily
    daily, draws = things.daily_for(shifted), shift.rng.random(size)
    if daily < things.daily:
        other = usual & (draws < daily / things.daily)
    else:
        other = usual | (draws < (daily - things.daily) / (1.0 - things.daily))
    place = things.of, day.astype(np.int64)
    before, after = (_since_start(starts, things.lasting)[place] for starts in (usual, other))
    return np.where(day >= shift.since, after, before)


def _since_start(starts: NDArray[np.bool_], lasting: int) -> NDArray[np.bool_]:
    """Of starts [things, lasting + days], whether one lies less than `lasting` days back."""
    reach = np.cumsum(starts, axis=1)
    return np.greater(reach[:, lasting:], reach[:, :-lasting])


def commit(
    fraud: I8,
    amount: F8,
    country: NDArray[np.str_],
    rng: np.random.Generator,
) -> tuple[F8, NDArray[np.str_]]:
    """What the thief does: large single payments, four times as much on a stolen card, abroad."""
    large = np.exp(rng.normal(6.0, 0.3, len(amount)))
    amount = np.where(fraud == FRAUDS.index("amount"), large, amount)
    amount = np.where(fraud == FRAUDS.index("card"), amount * 4.0, amount)
    far = fraud == FRAUDS.index("abroad")
    amount = np.where(far, np.exp(rng.normal(2.0, 0.3, len(amount))), amount)
    return amount, np.where(far, "XX", country)
