"""River's ADWIN and Page-Hinkley on the loss of one arm, with thresholds from the budget.

The loss goes in as means of packets of records, standardised by the reference. The unit is not the
packets' own standard deviation but what the means of long windows ask for (their variance times
the packets in one): losses of one hour or one week resemble each other, and a detector that takes
them for independent would alarm at every bad week.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from river import drift as river_drift

CLIPPED = 4.0
"""Standard deviations at which a packet is clipped: ADWIN wants values in [0, 1]."""
TOLERATED = 0.25
"""Standard deviations of a packet's mean that Page-Hinkley forgives."""
HELD = 10_000
"""Newest packets among which the beginning of a rise is looked for."""
RUNS = 300
"""Bootstrapped stretches of the stream from which Page-Hinkley's threshold is learned."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Unit:
    """How losses are standardised."""

    mean: float
    deviation: float

    @staticmethod
    def of(packets: Values, long: int) -> Unit:
        """From the packets of a reference, `long` of which make a long window."""
        own = float(packets.var(ddof=1))
        windows = np.convolve(packets, np.ones(long) / long, mode="valid")
        within = 1 - long / len(packets)  # overlapping windows of one series vary less by this
        wide = float(windows.var()) * long / within
        return Unit(float(packets.mean()), math.sqrt(max(own, wide, 1e-18)))

    def standard(self, value: Any, effect: Any = 1.0) -> Any:
        """In deviations from the mean, clipped; of packets that vary `effect` times as much."""
        return np.clip((value - self.mean) / (self.deviation * np.sqrt(effect)), -CLIPPED, CLIPPED)


class Risen(NamedTuple):
    """A rise of the loss: statistic and threshold in deviations, begun so many packets ago."""

    statistic: float
    threshold: float
    ago: int


class Adwin:
    """ADWIN (Bifet and Gavaldà, 2007) for rises of the mean.

    It says that the mean has changed and drops its oldest bucket, which is seldom where the change
    is; so that is looked for among the values that it held.
    """

    def __init__(self, delta: float) -> None:
        self._delta = delta
        self._adwin = river_drift.ADWIN(delta=delta, clock=1)
        self._values: deque[float] = deque(maxlen=HELD)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What an earlier version kept holds none: these come first."""
        self.__dict__.update({"_values": deque(maxlen=HELD), **state})

    def update(self, standard: float) -> Risen | None:
        """What a packet shows: how far the new mean is above the old, and by how much it had to be
        (theorem 3.2)."""
        value = 0.5 + standard / (2 * CLIPPED)
        self._values.append(value)
        self._adwin.update(value)
        if not self._adwin.drift_detected:
            return None
        values = np.array(self._values)
        while len(self._values) > int(self._adwin.width):
            self._values.popleft()
        return _risen(values, self._delta)


def _risen(values: Values, delta: float) -> Risen | None:
    """The split at which the means differ most beside what ADWIN's bound allows, if they rose."""
    number, least = len(values), 5  # of River's ADWIN, on either side
    if number < 2 * least:
        return None
    sums, old = np.cumsum(values), np.arange(least, number - least + 1)
    new = number - old
    rises = (sums[-1] - sums[old - 1]) / new - sums[old - 1] / old
    harmonic = 1 / (1 / (old - least + 1) + 1 / (new - least + 1))
    log = math.log(2 * math.log(number) / delta)
    bounds = np.sqrt(2 * values.var() * log / harmonic) + 2 * log / (3 * harmonic)
    at = int(np.argmax(np.abs(rises) / bounds))
    rise, bound = 2 * CLIPPED * float(rises[at]), 2 * CLIPPED * float(bounds[at])
    return Risen(rise, min(bound, rise), int(new[at])) if rise > 0 else None


class PageHinkley:
    """Page-Hinkley (Page, 1954) for rises of the mean, forgetting nothing."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._test = _page_hinkley(threshold)
        self._seen = self._lowest = 0

    def update(self, standard: float) -> Risen | None:
        """What a packet shows: the statistic, and how long ago it was lowest."""
        if self._test.drift_detected:
            self._seen = self._lowest = 0
        least = self._test._min_increase if self._seen else math.inf
        self._test.update(standard)
        self._seen += 1
        if self._test._min_increase < least:
            self._lowest = self._seen
        if not self._test.drift_detected:
            return None
        statistic = self._test._sum_increase - self._test._min_increase
        return Risen(statistic, self._threshold, max(1, self._seen - self._lowest))


def _page_hinkley(threshold: float) -> Any:
    return river_drift.PageHinkley(
        min_instances=10, delta=TOLERATED, threshold=threshold, alpha=1.0, mode="up"
    )


def page_hinkley_threshold(
    packets: Values, length: int, run: int, chance: float, seed: int
) -> float:
    """What the statistic exceeds with this chance in `length` packets of an unchanged stream.

    `packets` are standardised ones of the reference. Stretches of `length` are put together of
    runs of `run` (moving-block bootstrap; Künsch, 1989); their highest statistics follow Gumbel's
    distribution, as those of a random walk that drifts down do, fitted by its moments.

    The tail of such a walk is exp(-x / b) with b proportional to the variance, which the reference
    knows only as well as it holds independent runs, `known` beside one: integrated over
    v = chi-squared / known, exp(-x v) is (1 + 2 x / known)^(-known / 2).
    """
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, max(1, len(packets) - run + 1), (RUNS, -(-length // run)))
    places = (starts[:, :, None] + np.arange(run)).reshape(RUNS, -1)[:, :length]
    highest = _highest(packets[np.minimum(places, len(packets) - 1)])
    scale = max(1e-3, float(highest.std(ddof=1))) * math.sqrt(6) / math.pi
    sure = float(highest.mean()) / scale - np.euler_gamma - math.log(-math.log1p(-chance))
    known = max(1.0, len(packets) / run - 1)
    return scale * known / 2 * math.expm1(2 * sure / known)


def _highest(values: Values) -> Values:
    """The highest statistic of Page-Hinkley in each row: River's recursion, all rows at once."""
    counts = np.arange(1, values.shape[1] + 1)
    gaps = values - np.cumsum(values, axis=1) / counts - TOLERATED
    walks = np.cumsum(gaps, axis=1)
    above = walks - np.minimum.accumulate(walks, axis=1)
    return np.asarray(above[:, 9:].max(axis=1))
