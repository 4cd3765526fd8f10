"""What a domain's data set offers: its streams, in event-time order, without a broker or a clock.

A domain that ships data has a `dataset.py` beside its `domain.py` with the functions of `Dataset`.
The data may be recorded or simulated from a seed; the same arguments give the same records either
way. `Columns` and `in_order` turn arrays into such a stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Literal, NamedTuple, Protocol, cast
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from schemas import domains
from schemas.declare import DAY, MINUTE, DeclarationError

Stream = Literal["events", "labels", "requests"]


class Stamped(NamedTuple):
    """A record of one of the domain's streams, with the event time (ms) at which it is known."""

    time_ms: int
    stream: Stream
    name: str
    """The record's name in its schema: an event's name, `label` or `request`."""
    record: dict[str, Any]


class NoSuchData(ValueError):
    """The data set has no such part, or nothing of the kind can be planted; says what there is."""


class Demo(NamedTuple):
    """What a demo of default length replays: days of the data, in steps of `step` ms."""

    days: float = 20.0
    step: int = 5 * MINUTE


class Dataset(Protocol):
    """What a domain's `dataset.py` has."""

    DEMO: Demo
    """What two cores replay well within three minutes, and in which labels come."""

    def span(self) -> tuple[int, int]:
        """First and last event time (ms) of the whole data set."""

    def replay(
        self,
        days: float | None = None,
        start: str | None = None,
        seed: int = 0,
        plant: Sequence[str] = (),
    ) -> Iterator[Stamped]:
        """The streams in event-time order; of records at one time, events come first, then labels.

        `start` is an ISO date in the domain's time zone (default: the beginning), `days` how many
        days of activity from there (default: to the end). `seed` chooses a simulation and `plant`
        says what is planted in it; recorded data ignore the first and refuse the second. Raises
        NoSuchData where the part asked for is empty or not a date, or something cannot be planted.
        """

    def truth(
        self,
        days: float | None = None,
        start: str | None = None,
        seed: int = 0,
        plant: Sequence[str] = (),
    ) -> Iterator[Mapping[str, Any]]:
        """What the same replay has planted, as records for a file; raises as it does."""


def load(name: str) -> Dataset:
    """The data set of a domain; raises DeclarationError where the domain ships none."""
    domains.load(name)
    module = domains.module_of(name, "dataset")
    if module is None:
        raise DeclarationError(
            f"the domain {name!r} ships no data: there is no dataset.py beside its domain.py "
            "(schemas/dataset.py says what it must offer)"
        )
    return cast(Dataset, module)


def refuse_plants(domain: str, plant: Sequence[str]) -> None:
    """Raises NoSuchData where anything is to be planted; for data sets that are recorded."""
    if set(plant) - {"nothing"}:
        raise NoSuchData(
            f"the data of {domain} are recorded, so nothing can be planted in them (found "
            f"{', '.join(plant)}); only simulated data take a plant"
        )


def part(
    span: tuple[int, int], timezone: str, start: str | None, days: float | None
) -> tuple[int, int]:
    """The first (included) and last (excluded) millisecond of a part; raises NoSuchData."""
    if days is not None and not 0 < days < math.inf:
        raise NoSuchData(f"days must be above 0 and finite, got {days}")
    first, last = span[0], span[1] + 1
    if start is not None:
        first = midnight(start, timezone)
    if days is not None:
        last = min(last, first + int(days * DAY))
    if not (span[0] < last and first <= span[1]):
        begins, ends = (datetime.fromtimestamp(ms / 1000, ZoneInfo(timezone)) for ms in span)
        raise NoSuchData(f"no data from {start}: they go from {begins:%F %R} to {ends:%F %R}")
    return first, last


def midnight(day: str, timezone: str) -> int:
    """When a day (ISO date) begins in a time zone, ms; raises NoSuchData where it is no date."""
    try:
        begins = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(timezone))
    except ValueError:
        raise NoSuchData(f"{day!r} is no date; expected such as 2013-07-01") from None
    return int(begins.timestamp() * 1000)


@dataclass(frozen=True)
class Columns:
    """Records of one kind as columns of one length; `times` in ascending order stamps them."""

    stream: Stream
    name: str
    times: NDArray[np.int64]
    fields: Mapping[str, NDArray[Any]]

    def between(self, first: int, last: int) -> list[Stamped]:
        """The records stamped in [first, last)."""
        low, high = np.searchsorted(self.times, (first, last))
        times = self.times[low:high].tolist()
        rows = zip(*(column[low:high].tolist() for column in self.fields.values()), strict=True)
        names, stream, name = tuple(self.fields), self.stream, self.name
        return [
            Stamped(time, stream, name, dict(zip(names, row, strict=True)))
            for time, row in zip(times, rows, strict=True)
        ]


def in_order(kinds: Sequence[Columns], step: int = DAY) -> Iterator[Stamped]:
    """All records by time; those at one time in the order of `kinds`, then of their rows.

    Records are built `step` milliseconds at a time, so that a long stream stays columns.
    """
    filled = [kind for kind in kinds if len(kind.times)]
    if not filled:
        return
    end = max(int(kind.times[-1]) for kind in filled) + 1
    for first in range(min(int(kind.times[0]) for kind in filled), end, step):
        batch = [stamped for kind in filled for stamped in kind.between(first, first + step)]
        batch.sort(key=itemgetter(0))
        yield from batch
