"""The highest rate, which the overload exceeds, and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from benchmarks import rates
from benchmarks.latency import search
from benchmarks.latency.results import Options


class Origin(StrEnum):
    """Where a highest rate came from, in words."""

    GIVEN = "given by --highest"
    FOUND = "the highest that a search found inside the budget"
    ASSUMED = "--rate, since a search found none inside the budget"


class Highest(msgspec.Struct, frozen=True, kw_only=True):
    """A rate and its origin; `reason` is why a search gave up, where it said."""

    rate: float
    origin: Origin
    reason: str = ""

    def __str__(self) -> str:
        because = f" ({self.reason})" if self.reason else ""
        return f"{rates.shown(self.rate)}/s, {self.origin}{because}"


def searched(
    url: str, bodies: Sequence[bytes], rate: float, budget_ms: float, seed: int
) -> Highest:
    """By a quick search from `rate` on, without the confirming run's length; else `rate` itself."""
    given = Options(
        url=url, rate=rate, seconds=4.0, warmup_s=1.0, budget_ms=budget_ms, probe_s=(1.0, 2.0),
        resolution=0.15, seed=seed,
    )  # fmt: skip
    found = search.search(given, bodies).search
    if found is not None and found.inside:
        return Highest(rate=found.inside, origin=Origin.FOUND)
    reason = found.reason if found else ""
    return Highest(rate=rate, origin=Origin.ASSUMED, reason=reason)
