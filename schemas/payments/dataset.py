"""The simulated payments as streams: requests, payments booked a second later, chargebacks, labels.

Genuine payments are never labelled: no chargeback by the deadline is what says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.dataset import Columns, Demo, NoSuchData, Stamped, in_order, part
from schemas.declare import DAY, MINUTE, SECOND
from schemas.payments.domain import DOMAIN
from schemas.payments.frauds import FRAUDS
from schemas.payments.simulator import Payments, World, late_by, plants, simulate

EPOCH = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
DAYS = 365
CUSTOMERS, TERMINALS = 200, 80
"""Some 200 payments a day, of which one is fraud: so a demo of minutes sees a quarter of a year."""
DEMO = Demo(days=90, step=60 * MINUTE)
"""Until day 30, the deadline, nobody knows which payments were genuine, and nothing is learned."""


def span() -> tuple[int, int]:
    """First and last event time (ms) of the requests."""
    return EPOCH, EPOCH + DAYS * DAY - 1


def replay(
    days: float | None = None,
    start: str | None = None,
    seed: int = 0,
    plant: Sequence[str] = (),
) -> Iterator[Stamped]:
    """The streams in event-time order; chargebacks go on for 30 days after the last payment.

    `plant` names drifts as `DRIFT@DAYxSTRENGTH`, days counted from the first of January 2024.
    Raises NoSuchData for a start or a drift that cannot be, or a drift after the end.
    """
    first, last = part(span(), DOMAIN.timezone, start, days)
    world = _world(seed, plant, last)
    return in_order(_streams(world, simulate(world), first, last))


def truth(
    days: float | None = None,
    start: str | None = None,
    seed: int = 0,
    plant: Sequence[str] = (),
) -> Iterator[Mapping[str, Any]]:
    """What was planted in the same part of the data: the drifts, then each fraud, in time order.

    A label shift also says what it `measured`: how many times the frauds of the same part of the
    same world without it (None where that has none), which chance draws around the strength.
    """
    first, last = part(span(), DOMAIN.timezone, start, days)
    world = _world(seed, plant, last)
    payments = simulate(world)
    asked = EPOCH + payments.time
    for one in world.planted:
        since = EPOCH + int(one.day * DAY)
        after = (asked >= max(since, first)) & (asked < last)
        measured = {"measured": _more(world, payments, after)} if one.drift == "label" else {}
        drift = {"drift": one.drift, "time": since, "strength": one.strength}
        yield {"what": "drift", **drift, **measured}
    fraud = np.flatnonzero((payments.fraud > 0) & (asked >= first) & (asked < last))
    for index in fraud.tolist():
        yield {
            "what": "fraud",
            "payment": f"p{index}",
            "time": int(asked[index]),
            "kind": FRAUDS[int(payments.fraud[index])],
            "disputed": bool(payments.chargeback[index]),
        }


def _more(world: World, payments: Payments, chosen: NDArray[np.bool_]) -> float | None:
    """The frauds among the chosen payments over those of the world without its label shift."""
    others = tuple(one for one in world.planted if one.drift != "label")
    usual = int((simulate(replace(world, planted=others)).fraud[chosen] > 0).sum())
    return round(int((payments.fraud[chosen] > 0).sum()) / usual, 3) if usual else None


def _world(seed: int, plant: Sequence[str], last: int) -> World:
    planted = plants(plant)
    for one in planted:
        if EPOCH + one.day * DAY >= last:
            raise NoSuchData(
                f"{one.drift}@{one.day:g} would start after the replayed part, which ends on day "
                f"{(last - EPOCH) / DAY:g} of the data"
            )
    return World(DAYS, seed, CUSTOMERS, TERMINALS, planted)


def _streams(world: World, payments: Payments, first: int, last: int) -> list[Columns]:
    asked = EPOCH + payments.time
    keep = np.flatnonzero((asked >= first) & (asked < last))
    disputed = keep[payments.chargeback[keep] > 0]
    disputed = disputed[np.argsort(asked[disputed] + payments.chargeback[disputed], kind="stable")]
    known = asked[disputed] + payments.chargeback[disputed]
    booked = asked[keep] + SECOND
    ids = np.char.add("p", np.arange(len(asked)).astype(str))
    who = _who(payments)
    described = {name: column[keep] for name, column in who.items()}
    ones = np.ones(len(disputed))
    back = {name: column[disputed] for name, column in who.items()}
    paid = {"time": booked, "payment": ids[keep], **described}
    arrives = booked + late_by(world, payments.time[keep])
    order = np.argsort(arrives, kind="stable")
    return [
        Columns("events", "payment", arrives[order], {n: c[order] for n, c in paid.items()}),
        Columns("events", "chargeback", known, {"time": known, "payment": ids[disputed], **back}),
        Columns("labels", "label", known, {"id": ids[disputed], "time": known, "value": ones}),
        Columns(
            "requests", "request", asked[keep], {"id": ids[keep], "at": asked[keep], **described}
        ),
    ]


def _who(payments: Payments) -> dict[str, NDArray[Any]]:
    return {
        "customer": np.char.add("c", payments.customer.astype(str)),
        "terminal": np.char.add("t", payments.terminal.astype(str)),
        "kind": payments.kind,
        "country": payments.country,
        "amount": payments.amount,
        "distance": payments.distance,
    }
