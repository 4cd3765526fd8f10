"""What an arm has earned, and how sure its mean is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Earned(NamedTuple):
    """Sums of rewards with weights that halve with every half-life of event time.

    A reward r weighs w = u at first, the number of rewards that it stands for: others may have
    stayed hidden. `weight`, `total` and `squares` are sums of w, w r and w r² as of `time` (ms);
    `weight_twice`, `total_twice` and `squares_twice` of w u, w u r and w u r², which tell how sure
    the mean is.
    """

    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    weight_twice: float = 0.0
    total_twice: float = 0.0
    squares_twice: float = 0.0
    time: int = 0

    @classmethod
    def of(cls, posterior: Mapping[str, Any]) -> Earned:
        """From a posterior of `route.avsc`; before its version 2 weights are taken for 1."""
        once: list[Any] = [posterior[name] for name in ("weight", "total", "squares")]
        twice = [posterior[name] for name in ("weight_twice", "total_twice", "squares_twice")]
        return cls(*[*once, *(twice if twice[0] else once), posterior["time"]])

    def add(self, reward: float, time: int, half_life: int, weight: float = 1.0) -> Earned:
        """With one more reward earned at `time`; a negative weight takes one back."""
        keep, w, at = 1.0, weight, self.time
        if time > at:
            keep, at = _decay(time - at, half_life), time
        elif time < at:
            w *= _decay(at - time, half_life)
        wr, u = w * reward, abs(weight)
        return Earned(
            self.weight * keep + w,
            self.total * keep + wr,
            self.squares * keep + wr * reward,
            self.weight_twice * keep + w * u,
            self.total_twice * keep + wr * u,
            self.squares_twice * keep + wr * reward * u,
            at,
        )

    def at(self, time: int, half_life: int) -> Earned:
        """The same, seen from a later time: weights have shrunk."""
        if time <= self.time:
            return self
        return self._with(Earned(), _decay(time - self.time, half_life), time)

    def faded(self, keep: float) -> Earned:
        """The same, each reward worth the share `keep` of what it was."""
        return self._with(Earned(), keep, self.time)

    def plus(self, other: Earned) -> Earned:
        """With what the other has earned, as of the time of this one."""
        return self._with(other, 1.0, self.time)

    def _with(self, more: Earned, keep: float, time: int) -> Earned:
        return Earned(
            self.weight * keep + more.weight,
            self.total * keep + more.total,
            self.squares * keep + more.squares,
            self.weight_twice * keep + more.weight_twice,
            self.total_twice * keep + more.total_twice,
            self.squares_twice * keep + more.squares_twice,
            time,
        )

    @property
    def mean(self) -> float:
        """Mean reward; NaN before the first."""
        return self.total / self.weight if self.weight > 0 else math.nan

    @property
    def noise(self) -> float:
        """Sum of w u (r - mean)²; by weight² it is the variance of the mean.

        That is s² / n where n rewards stand for equally many, however many those are, and more
        where large rewards stand for more than small ones: the linearised variance of a weighted
        mean (Särndal, Swensson and Wretman, *Model Assisted Survey Sampling*, 1992, 5.7). A reward
        that has faded tells as little as w / u of one, as discounted bandits take it.
        """
        if self.weight <= 0:
            return 0.0
        around = self.squares_twice - 2 * self.mean * self.total_twice
        return max(around + self.mean**2 * self.weight_twice, 0.0)


def _decay(age: int, half_life: int) -> float:
    return float(2.0 ** (-age / half_life))
