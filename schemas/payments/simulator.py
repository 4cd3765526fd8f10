"""Simulates card payments, planted fraud and planted drift, from a seed.

Customers have a home and habits (how often, how much, which terminals near by); a terminal has its
place, its country and what it sells; days and weeks have their rhythm. After the transaction
simulator of Le Borgne, Siblini, Lebichot and Bontempi, *Reproducible Machine Learning for Credit
Card Fraud Detection* (2022), chapter 3, with countries, merchant kinds, chargebacks and drift.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.dataset import NoSuchData
from schemas.declare import DAY, HOUR
from schemas.payments import frauds
from schemas.payments.frauds import FRAUDS, MOST_FRAUD, Shift

KINDS = np.array(["food", "fuel", "clothes", "travel", "electronics", "games"])
COUNTRIES = np.array(["BE", "DE", "FR", "IT", "NL"])
Drift = Literal["covariate", "label", "concept", "lag"]
USUAL = {"covariate": 2.0, "label": 3.0, "concept": 1.0, "lag": 6.0}
"""The drifts, with the strength of each that names none."""

MOST = {"label": MOST_FRAUD, "lag": 24.0 * 366}
"""The strongest of those that have a bound: a feed is late by a year at most."""

_NUMBER = r"\d+(?:\.\d+)?"


@dataclass(frozen=True)
class Planted:
    """A drift that starts on a day: `covariate`, `label`, `concept` or `lag`, so strong.

    Strength: for covariate the factor on amounts, for label the factor on the rate of each kind of
    fraud, for lag the hours that events come late; concept has none.
    """

    drift: Drift
    day: float
    strength: float

    @classmethod
    def parse(cls, text: str) -> Planted:
        """From `DRIFT@DAY` or `DRIFT@DAYxSTRENGTH`, such as `label@40x3`; raises NoSuchData."""
        match = re.fullmatch(rf"({'|'.join(USUAL)})@({_NUMBER})(?:x({_NUMBER}))?", text)
        if match is None:
            raise NoSuchData(
                f"cannot plant {text!r}; expected DRIFT@DAY or DRIFT@DAYxSTRENGTH with DRIFT one of"
                f" {', '.join(USUAL)}, such as label@40x3; or nothing"
            )
        drift: Drift = match[1]  # type: ignore[assignment]
        strength = float(match[3] or USUAL[drift])
        if match[3] and drift == "concept":
            raise NoSuchData(f"cannot plant {text!r}; expected concept@DAY: it has no strength")
        if strength == 0:
            raise NoSuchData(f"cannot plant {text!r}; expected a strength above 0")
        if strength > MOST.get(drift, np.inf):
            raise NoSuchData(f"cannot plant {text!r}; expected at most x{MOST[drift]:g}")
        return cls(drift, float(match[2]), strength)


@dataclass(frozen=True)
class World:
    """The size of the simulated world and what is planted in it."""

    days: int
    seed: int = 0
    customers: int = 500
    terminals: int = 200
    planted: tuple[Planted, ...] = ()

    def since(self, drift: Drift) -> tuple[float, float]:
        """Day from which a drift holds (infinite where it is not planted) and its strength."""
        for planted in self.planted:
            if planted.drift == drift:
                return planted.day, planted.strength
        return np.inf, 1.0


@dataclass(frozen=True)
class Payments:
    """Simulated payments as columns of length n, in order of time.

    `time` in milliseconds from the first midnight; `fraud` indexes FRAUDS; `chargeback` is the
    delay in milliseconds until the customer disputes it, 0 where that never happens.
    """

    time: NDArray[np.int64]
    customer: NDArray[np.int64]
    terminal: NDArray[np.int64]
    amount: NDArray[np.float64]
    distance: NDArray[np.float64]
    kind: NDArray[np.str_]
    country: NDArray[np.str_]
    fraud: NDArray[np.int64]
    chargeback: NDArray[np.int64]


@dataclass
class _Places:
    """Where customers live and terminals stand: kilometres on a square of 100 by 100."""

    homes: NDArray[np.float64]
    sites: NDArray[np.float64]
    near: list[NDArray[np.int64]] = field(default_factory=list)


def simulate(world: World) -> Payments:
    """All payments of the world; the same world gives the same payments."""
    seeds = np.random.SeedSequence(world.seed).spawn(6)
    rngs = [np.random.default_rng(seed) for seed in seeds]
    places = _settle(world, rngs[0])
    time, customer = _moments(world, rngs[1])
    day = time / DAY
    terminal = _choose_terminals(world, places, customer, day, rngs[2])
    kind, country = _merchants(world, rngs[0])
    amount = _amounts(world, customer, day, rngs[3])
    fraud = frauds.plant_fraud(
        frauds.terminals(world.terminals, world.days, terminal),
        frauds.cards(world.customers, world.days, customer),
        day,
        Shift(*world.since("label"), rngs[5]),
        world.since("concept")[0],
        rngs[4],
    )
    amount, country = frauds.commit(fraud, amount, country[terminal], rngs[4])
    away = np.linalg.norm(places.homes[customer] - places.sites[terminal], axis=1)
    away = np.where(fraud == FRAUDS.index("abroad"), away + 900.0, away)
    disputed = (fraud > 0) & (rngs[4].random(len(fraud)) < 0.85)
    delay = (rngs[4].uniform(1, 30, len(fraud)) * DAY).astype(np.int64)
    return Payments(
        time=time,
        customer=customer,
        terminal=terminal,
        amount=np.round(amount, 2),
        distance=np.round(away, 1),
        kind=kind[terminal],
        country=country,
        fraud=fraud,
        chargeback=np.where(disputed, delay, 0),
    )


def _settle(world: World, rng: np.random.Generator) -> _Places:
    """Homes and sites; each customer knows the terminals within 10 km, or the nearest three."""
    places = _Places(
        rng.uniform(0, 100, (world.customers, 2)), rng.uniform(0, 100, (world.terminals, 2))
    )
    for home in places.homes:
        away = np.linalg.norm(places.sites - home, axis=1)
        near = np.flatnonzero(away < 10.0)
        places.near.append(near if len(near) >= 3 else np.argsort(away)[:3])
    return places


def _moments(world: World, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When who pays: Poisson by customer and day, fewer on Sundays, most at noon and evening."""
    habit = rng.gamma(2.0, 0.5, world.customers)
    weekly = np.array([1.0, 0.95, 0.95, 1.0, 1.2, 1.3, 0.6])[np.arange(world.days) % 7]
    counts = rng.poisson(habit[:, None] * weekly[None, :])
    customer, day = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    evening = rng.random(len(day)) < 0.45
    hour = np.where(evening, rng.normal(18.5, 2.0, len(day)), rng.normal(12.0, 2.5, len(day)))
    time = (day * DAY + np.clip(hour * HOUR, 0, DAY - 1)).astype(np.int64)
    order = np.argsort(time, kind="stable")
    return time[order], customer[order]


def _choose_terminals(
    world: World,
    places: _Places,
    customer: NDArray[np.int64],
    day: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """A terminal near by, now and then any; the last tenth open with a covariate drift."""
    opened = world.terminals * 9 // 10
    near = places.near
    pick = rng.random(len(customer))
    chosen = np.array([near[c][int(p * len(near[c]))] for c, p in zip(customer, pick, strict=True)])
    chosen = np.where(
        rng.random(len(customer)) < 0.05, rng.integers(0, opened, len(customer)), chosen
    )
    chosen = np.where(chosen >= opened, chosen % opened, chosen)
    since, _ = world.since("covariate")
    newly = (day >= since) & (rng.random(len(customer)) < 0.3)
    return np.where(newly, rng.integers(opened, world.terminals, len(customer)), chosen)


def _merchants(world: World, rng: np.random.Generator) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """What each terminal sells and the country it stands in; new merchants sell games."""
    kind = rng.choice(KINDS[:-1], world.terminals)
    kind[world.terminals * 9 // 10 :] = KINDS[-1]
    return kind, rng.choice(COUNTRIES, world.terminals, p=[0.6, 0.1, 0.1, 0.1, 0.1])


def _amounts(
    world: World, customer: NDArray[np.int64], day: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Log-normal around each customer's own level."""
    level = rng.normal(3.3, 0.5, world.customers)[customer]
    since, factor = world.since("covariate")
    amount = np.exp(rng.normal(level, 0.6))
    return np.where(day >= since, amount * factor, amount)


def late_by(world: World, time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Milliseconds by which the feed of events is late: none, or hours with a planted lag."""
    since, hours = world.since("lag")
    return np.where(time >= since * DAY, int(hours * HOUR), 0).astype(np.int64)


def plants(texts: Sequence[str]) -> tuple[Planted, ...]:
    """The planted drifts of a command line, `nothing` being none; raises NoSuchData naming it."""
    planted = tuple(Planted.parse(text) for text in texts if text != "nothing")
    if len({one.drift for one in planted}) < len(planted):
        raise NoSuchData(f"a drift is planted twice: {', '.join(texts)}")
    return planted
