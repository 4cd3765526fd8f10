"""Samples of a stream in bounded space, seeded and mergeable.

Three ways of choosing: `Uniform` (every item alike), `Weighted` (by a weight, or by recency with a
half-life), `Stratified` (a share for every stratum, however rare). All take items in batches, and
where a batch begins decides nothing; all pickle: a resumed reservoir goes on as if never stopped.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


class Uniform(Generic[T]):
    """A uniform sample of `size` items without replacement.

    Algorithm L of Li, *Reservoir-Sampling Algorithms of Time Complexity O(n(1+log(N/n)))* (1994):
    after n items the next one to enter is known in advance, so the ones between cost nothing.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = _positive(size)
        self.seen = 0
        self.items: list[T] = []
        self._seeds = frozenset((seed,))
        self._rng = np.random.default_rng(seed)
        self._threshold = 1.0
        self._next = 0

    def extend(self, items: Sequence[T]) -> None:
        """Offers the stream's next items."""
        room = self.size - self.seen
        if room > 0:
            self.items.extend(items[:room])
            if len(items) < room:
                self.seen += len(items)
                return
            self._next = self.size - 1
            self._threshold = 1.0
            self._jump()
        first, self.seen = self.seen, self.seen + len(items)
        while self._next < self.seen:
            self.items[int(self._rng.integers(self.size))] = items[self._next - first]
            self._jump()

    def _jump(self) -> None:
        """Draws the smallest rank among the kept ones, and with it the next item to enter."""
        self._threshold *= self._open() ** (1.0 / self.size)
        self._skip()

    def _skip(self) -> None:
        self._next += 1 + math.floor(math.log(self._open()) / math.log1p(-self._threshold))

    def _open(self) -> float:
        """A number drawn from (0, 1), never 0 and never 1."""
        return int(self._rng.integers(1, 1 << 53)) / (1 << 53)

    def merge(self, other: Uniform[T]) -> None:
        """Takes in a reservoir of another stream: a uniform sample of both streams together.

        How many to keep of each is hypergeometric in the numbers seen; which ones is uniform. The
        threshold that continues the stream is the rank of the last kept of all that were seen:
        the size-th smallest of `seen` uniform ranks, Beta(size, seen - size + 1).
        """
        self._seeds = _mergeable(self, other)
        total = self.seen + other.seen
        keep = min(self.size, total)
        mine = int(self._rng.hypergeometric(self.seen, other.seen, keep)) if keep else 0
        self.items = self._some(self.items, mine) + self._some(other.items, keep - mine)
        self.seen = total
        if total >= self.size:
            self._threshold = float(self._rng.beta(self.size, total - self.size + 1))
            self._next = total - 1
            self._skip()

    def _some(self, items: list[T], count: int) -> list[T]:
        return [items[i] for i in self._rng.choice(len(items), count, replace=False)]


class Weighted(Generic[T]):
    """A weighted sample of `size` items without replacement.

    A-ExpJ of Efraimidis and Spirakis, *Weighted random sampling with a reservoir* (2006): the item
    with weight w has an exponential rank with rate w, the smallest ranks stay, and exponential
    jumps skip the weight that cannot enter. Weights and ranks are kept as logarithms, so that a
    weight that doubles every half-life never overflows.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = _positive(size)
        self.seen = 0
        self._entered = 0
        self._heap: list[tuple[float, int, T]] = []
        self._seeds = frozenset((seed,))
        self._rng = np.random.default_rng(seed)
        self._left = math.inf

    @property
    def items(self) -> list[T]:
        """The sample, the smallest rank first."""
        return [
            item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)
        ]

    def stands_for(self, log_weights: Sequence[float]) -> list[float]:
        """How many items of the stream each of `items` stands for, given their weights in order.

        Bottom-k estimator of Cohen and Kaplan, *Summarizing Data using Bottom-k Sketches* (2007):
        given the largest rank kept, t, an item of weight w is kept with 1 - exp(-wt), and stands
        for the inverse. The item that gives t stands for none. So the mean of a sum over any part
        of the sample is the size of that part of the stream. All stand for themselves where all
        were kept.
        """
        if self.seen == len(self._heap):
            return [1.0] * self.seen
        largest = -self._heap[0][0]
        spent = [min(log_weight + largest, 700.0) for log_weight in log_weights[:-1]]
        return [-1.0 / math.expm1(-math.exp(log_spent)) for log_spent in spent] + [0.0]

    def extend(self, items: Sequence[T], log_weights: Sequence[float]) -> None:
        """Offers the stream's next items with the natural logarithms of their weights.

        Raises ValueError where a weight is not finite, before any item is taken.
        """
        weights = np.asarray(log_weights, dtype=float)
        if len(weights) != len(items) or not np.isfinite(weights).all():
            raise ValueError("log_weights: expected one finite number an item")
        self.seen += len(items)
        for log_weight, item in zip(weights.tolist(), items, strict=True):
            if len(self._heap) < self.size:
                self._keep(log_weight, item)
            elif self._enters(log_weight):
                self._replace(log_weight, item)

    def merge(self, other: Weighted[T]) -> None:
        """Takes in a reservoir of another stream: the smallest ranks of both."""
        self._seeds = _mergeable(self, other)
        self.seen += other.seen
        for log_rank, _, item in other._heap:
            self._entered += 1
            self._heap.append((log_rank, self._entered, item))
        self._heap = heapq.nlargest(self.size, self._heap, key=lambda entry: entry[:2])
        heapq.heapify(self._heap)
        self._draw()

    def _enters(self, log_weight: float) -> bool:
        """Whether the jump ends at this item; else it becomes shorter by the item's weight.

        Item by item, so that rounding does not depend on where a batch begins.
        """
        if log_weight >= self._left or (share := math.exp(log_weight - self._left)) == 1.0:
            return True
        self._left += math.log1p(-share)
        return False

    def _keep(self, log_weight: float, item: T) -> None:
        log_rank = math.log(float(self._rng.standard_exponential())) - log_weight
        self._entered += 1
        heapq.heappush(self._heap, (-log_rank, self._entered, item))
        self._draw()

    def _replace(self, log_weight: float, item: T) -> None:
        """The item that ended the jump has a rank below the largest: drawn given that it has."""
        largest = math.exp(min(log_weight - self._heap[0][0], 700.0))
        spent = -math.log1p(float(self._rng.random()) * math.expm1(-largest))
        log_rank = math.log(max(spent, 5e-324)) - log_weight
        self._entered += 1
        heapq.heapreplace(self._heap, (-log_rank, self._entered, item))
        self._draw()

    def _draw(self) -> None:
        """How much weight (its logarithm) passes before the next item enters a full reservoir."""
        if len(self._heap) == self.size:
            self._left = math.log(float(self._rng.standard_exponential())) + self._heap[0][0]


class Decayed(Generic[T]):
    """A sample in which an item's chance halves with every half-life of event time.

    Forward decay of Cormode, Shkapenyuk, Srivastava and Xu, *Forward Decay* (2009): weights grow
    with time instead of shrinking with age, so that nothing kept is ever touched again.
    """

    def __init__(self, size: int, half_life: int, seed: int) -> None:
        self.half_life = _positive(half_life)
        self._weighted: Weighted[T] = Weighted(size, seed)

    @property
    def items(self) -> list[T]:
        """The sample."""
        return self._weighted.items

    @property
    def seen(self) -> int:
        """How many items were offered."""
        return self._weighted.seen

    def stands_for(self, times: Sequence[int]) -> list[float]:
        """See `Weighted.stands_for`; the event times of `items` in order."""
        return self._weighted.stands_for(self._log_weights(times))

    def extend(self, items: Sequence[T], times: Sequence[int]) -> None:
        """Offers the stream's next items with their event times (ms)."""
        self._weighted.extend(items, self._log_weights(times))

    def _log_weights(self, times: Sequence[int]) -> list[float]:
        grown: list[float] = (
            np.asarray(times, dtype=float) * (math.log(2) / self.half_life)
        ).tolist()
        return grown

    def merge(self, other: Decayed[T]) -> None:
        """Takes in a reservoir of another stream with the same half-life."""
        if other.half_life != self.half_life:
            raise ValueError(f"half-lives {self.half_life} and {other.half_life} ms differ")
        self._weighted.merge(other._weighted)


class Stratified(Generic[T]):
    """A uniform sample of up to `size` items of every stratum, so that rare ones keep their share.

    `limit` bounds the number of strata; the ones that come later share the stratum `OTHER`.
    """

    OTHER = "other"

    def __init__(self, size: int, seed: int, limit: int = 64) -> None:
        self.size = _positive(size)
        self.limit = _positive(limit)
        self._seed = seed
        self.strata: dict[str, Uniform[T]] = {}

    @property
    def items(self) -> list[T]:
        """The samples of all strata, one after the other."""
        return [item for name in sorted(self.strata) for item in self.strata[name].items]

    @property
    def seen(self) -> int:
        """How many items were offered."""
        return sum(stratum.seen for stratum in self.strata.values())

    def extend(self, items: Sequence[T], strata: Sequence[str]) -> None:
        """Offers the stream's next items with the names of their strata."""
        groups: dict[str, list[T]] = {}
        for item, name in zip(items, strata, strict=True):
            groups.setdefault(name, []).append(item)
        for name, group in groups.items():
            self._stratum(name).extend(group)

    def merge(self, other: Stratified[T]) -> None:
        """Takes in a reservoir of another stream, stratum by stratum."""
        for name, theirs in other.strata.items():
            self._stratum(name).merge(theirs)

    def _stratum(self, name: str) -> Uniform[T]:
        if name not in self.strata and len(self.strata) >= self.limit:
            name = self.OTHER
        if name not in self.strata:
            self.strata[name] = Uniform(self.size, self._seed ^ zlib.crc32(name.encode()))
        return self.strata[name]


def _mergeable(one: Uniform[T] | Weighted[T], other: Uniform[T] | Weighted[T]) -> frozenset[int]:
    """The seeds of both; raises ValueError where sizes differ or a seed is the same.

    Of one seed both keep the items of the same places: each item would still have its chance, but
    no longer whatever else is kept.
    """
    if other.size != one.size:
        raise ValueError(f"sizes {one.size} and {other.size} differ; expected the same")
    if shared := one._seeds & other._seeds:
        raise ValueError(f"both drew from the seed {min(shared)}; expected one of its own for each")
    return one._seeds | other._seeds


def _positive(number: int) -> int:
    if number < 1:
        raise ValueError(f"got {number}; expected at least 1")
    return number
