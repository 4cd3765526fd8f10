"""How each kind of feature is read off the merged tiles, for many rows at once.

Each class gives an array [n, features of its kind]. Only elementwise operations and exact sums
are used (decayed means are folded in a fixed order), so that a row's features do not depend on
the rows beside it, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from online_models.features.distinct import REGISTERS, WORDS, estimate
from online_models.features.rings import SLOTS
from schemas.declare import TILES

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The rows of n entities, or requests, at their times.

    `states` [n, width]; `time` [n, 1] in ms; `back` [n, rings, 16] is how many tiles each slot's
    tile is before the one that holds t; `inside` [n, rings, 16] is 1 where it is in the window,
    else 0; `tiles` [n, lanes, 16] are the lanes that add, `sums` [n, lanes] their sums over the
    window; `newest` [n, rings] is the number of the tile that holds t.
    """

    states: F8
    time: F8
    newest: F8
    back: I8
    inside: F8
    tiles: F8
    sums: F8


class Group(Protocol):
    """All features of a kind."""

    def __call__(self, reading: Reading) -> F8:
        """The features [n, features of the kind]."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Counts and sums: the lanes as they are."""

    lane: I8

    def __call__(self, reading: Reading) -> F8:
        """Sums over the window."""
        return reading.sums.take(self.lane, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Sum over number of known values."""

    value: I8
    known: I8
    default: F8

    def __call__(self, reading: Reading) -> F8:
        """Means over the window, the default where no value is known."""
        known = reading.sums.take(self.known, axis=1)
        mean = reading.sums.take(self.value, axis=1) / np.maximum(known, 1.0)
        return np.where(known > 0.0, mean, self.default)


@dataclass(frozen=True, slots=True, eq=False)
class Deviations:
    """Population standard deviation, from the sums of values and of squares."""

    value: I8
    known: I8
    high: I8
    low: I8
    default: F8

    def __call__(self, reading: Reading) -> F8:
        """Standard deviations over the window, the default where no value is known."""
        known = reading.sums.take(self.known, axis=1)
        number = np.maximum(known, 1.0)
        mean = reading.sums.take(self.value, axis=1) / number
        squares = reading.sums.take(self.high, axis=1) + reading.sums.take(self.low, axis=1)
        variance = np.maximum(squares / number - mean * mean, 0.0)
        return np.where(known > 0.0, np.sqrt(variance), self.default)


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """Minimum (sign 1) or maximum (sign -1); `cells` are columns of the row, slots innermost."""

    ring: I8
    cells: I8
    sign: float
    default: F8

    def __call__(self, reading: Reading) -> F8:
        """Extremes over the window, the default where no value is known."""
        tiles = self.sign * reading.states[:, self.cells]
        found = np.where(reading.inside[:, self.ring] > 0.0, tiles, np.inf).min(axis=2)
        return np.where(np.isfinite(found), self.sign * found, self.default)


@dataclass(frozen=True, slots=True, eq=False)
class Decayed:
    """Weighted mean; a tile weighs 2^-(tiles before the one that holds t x L / half-life).

    Up to a factor common to all, that is an event's own weight 2^-(age / half-life) times a factor
    between 1 and F = 2^(L / half-life), so the mean differs from the exactly weighted one of the
    same events by at most (largest - smallest value) (sqrt(F) - 1) / (sqrt(F) + 1).
    """

    ring: I8
    value: I8
    known: I8
    weights: F8
    default: F8

    def __call__(self, reading: Reading) -> F8:
        """Decayed means, the default where no value is known."""
        back = np.where(reading.inside > 0.0, reading.back, TILES)[:, self.ring]
        weights = self.weights[np.arange(len(self.ring))[:, None], back]
        above = _folded(reading.tiles[:, self.value] * weights)
        below = _folded(reading.tiles[:, self.known] * weights)
        some = below > 0.0
        return np.where(some, above / np.where(some, below, 1.0), self.default)


def decay(tile: int, half_life: int) -> list[float]:
    """The weights of tiles 0 to 11 before the one that holds t, and 0 for one outside."""
    return [2.0 ** -(back * tile / half_life) for back in range(TILES)] + [0.0]


def _folded(tiles: F8) -> F8:
    half = SLOTS // 2
    while half:
        tiles = tiles[..., :half] + tiles[..., half : 2 * half]
        half //= 2
    return tiles[..., 0]


@dataclass(frozen=True, slots=True, eq=False)
class Distincts:
    """HyperLogLog registers merged by maximum; `cells` [features, words, 16] are columns."""

    ring: I8
    cells: I8

    def __call__(self, reading: Reading) -> F8:
        """Approximate distinct counts."""
        packed = np.ascontiguousarray(reading.states[:, self.cells]).view(np.uint8)
        n, features = len(packed), len(self.ring)
        tiles = packed.reshape(n, features, WORDS, SLOTS, 8)
        inside = (reading.inside[:, self.ring] > 0.0)[:, :, None, :, None]
        return estimate((tiles * inside).max(axis=3).reshape(n, features, REGISTERS))


@dataclass(frozen=True, slots=True, eq=False)
class Newests:
    """The newest value, where its time is not after t and not older than `within` ms."""

    at: I8
    content: I8
    within: F8
    default: F8

    def __call__(self, reading: Reading) -> F8:
        """Newest values, or the default."""
        age = reading.time - reading.states.take(self.at, axis=1)
        known = (age >= 0.0) & (age <= self.within)
        return np.where(known, reading.states.take(self.content, axis=1), self.default)


@dataclass(frozen=True, slots=True, eq=False)
class Sinces:
    """Seconds since the newest event, where it is not after t and not older than `within` ms."""

    at: I8
    within: F8
    default: F8

    def __call__(self, reading: Reading) -> F8:
        """Seconds, or the default."""
        age = reading.time - reading.states.take(self.at, axis=1)
        return np.where((age >= 0.0) & (age <= self.within), age / 1000.0, self.default)


@dataclass(frozen=True, slots=True, eq=False)
class Balances:
    """Events of plus not answered by minus; never below 0."""

    net: I8

    def __call__(self, reading: Reading) -> F8:
        """How many are outstanding."""
        return np.maximum(reading.sums.take(self.net, axis=1), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class BalanceShares:
    """Outstanding over all of plus."""

    net: I8
    plus: I8
    default: F8

    def __call__(self, reading: Reading) -> F8:
        """Shares, the default where there was no plus."""
        plus = reading.sums.take(self.plus, axis=1)
        share = np.maximum(reading.sums.take(self.net, axis=1), 0.0) / np.maximum(plus, 1.0)
        return np.where(plus > 0.0, share, self.default)


@dataclass(frozen=True, slots=True, eq=False)
class BalanceAges:
    """Mean of t - by over the outstanding, from net counts and net offsets in their tiles."""

    ring: I8
    net: I8
    offset: I8
    tile: F8
    default: F8

    def __call__(self, reading: Reading) -> F8:
        """Seconds, the default where nothing is outstanding."""
        net = reading.sums.take(self.net, axis=1)
        into = reading.time - reading.newest.take(self.ring, axis=1) * self.tile
        back = (reading.back * reading.inside).take(self.ring, axis=1)
        tiles_back = np.vecdot(reading.tiles.take(self.net, axis=1), back)
        total = into * net + self.tile * tiles_back - reading.sums.take(self.offset, axis=1)
        return np.where(net > 0.0, total / (1000.0 * np.maximum(net, 1.0)), self.default)


@dataclass(frozen=True, slots=True, eq=False)
class Ratios:
    """One column of features that are there already over another."""

    above: I8
    below: I8
    default: F8

    def __call__(self, features: F8) -> F8:
        """Ratios, the default where the lower is zero or either is unknown."""
        above, below = features.take(self.above, axis=1), features.take(self.below, axis=1)
        known = np.isfinite(above) & np.isfinite(below) & (below != 0.0)
        return np.where(known, above / np.where(known, below, 1.0), self.default)
