"""Searches for the highest arrival rate whose percentile stays inside the budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks import rates
from benchmarks.latency import confidence, failures, observe, results
from benchmarks.latency.confidence import Decision
from benchmarks.latency.results import Found, Options, Probe, Result, Run
from benchmarks.latency.run import bodies_for, one_run
from benchmarks.load.plan import Look

FEWEST = 700
"""Requests before the first look of a probe, twice as many before the next, and so on.

528 without an overrun are the fewest that can show a p99 with half of 1 % error.
"""

HOPELESS = 20
"""After so many requests, or half a second's worth, a probe is refused if half of them overran.

That is no matter of chance, so it takes nothing from the error of the looks after it.
"""

HALVINGS = 6

CONFIRMINGS = 8
"""Confirming runs of a search: they reach a fourteenth of the rate that passed.

A server that stands still now and then holds a short probe between two pauses at any rate, and a
whole run at none.
"""

FRUITLESS = 3
"""A server that gave no right answer in so many probes on end is asked no more.

One that is only overloaded gives some, if late: each is waited for until the end of the drain.
"""

_ROUNDING = 1e-9
_WARMUP_S = 1.0
_REST_S = 0.3  # between probes, so that one does not pay for the queue of the one before

Told = Callable[[Probe], None]


def search(
    options: Options,
    bodies: Sequence[bytes] | None = None,
    told: Told = lambda probe: None,
    halvings: int = HALVINGS,
) -> Result:
    """Double the rate from `options.rate` until it is refused, halve the gap, then confirm.

    Where that rate itself is refused it is halved so often before the search gives up, or until
    the server has given no right answer in `FRUITLESS` probes, whatever their rate.

    Gaps are halved on the scale of ratios until the two rates differ by `options.resolution`. Short
    probes flatter a server whose queue grows slowly, so the highest passed rate is confirmed by
    runs of `options.seconds`, each with a new seed, bursts allowed for: see `_Hunt.confirm`. The
    result's run is the one that confirmed its rate. `told` hears of every probe.
    Raises LoadError where there is no connection.
    """
    bodies = bodies_for(options) if bodies is None else bodies
    hunt = _Hunt(options, bodies, told, halvings)
    low, high = hunt.bracket()
    low, high = hunt.narrow(low, high)
    low, high, run = hunt.confirm(low, high)
    found = Found(
        inside=low,
        outside=high,
        limited_by_generator=any(p.generator_limited and p.rate == high for p in hunt.probes),
        probes=hunt.probes,
        reason="" if low else hunt.reason or hunt.unconfirmed,
    )
    return results.make(options, [run] if run else [], observe.models(options.url), found)


class _Hunt:
    """The probes made so far; each has a seed of its own."""

    def __init__(
        self, options: Options, bodies: Sequence[bytes], told: Told, halvings: int
    ) -> None:
        self.options = options
        self.bodies = bodies
        self.told = told
        self.halvings = halvings
        self.probes: list[Probe] = []

    def bracket(self) -> tuple[float, float]:
        """A rate that passes and one that does not; the first is 0 where none passes."""
        rate = self.options.rate
        if self._passes(rate):
            while self._passes(rate * 2):
                rate *= 2
            return rate, rate * 2
        for _ in range(self.halvings):
            if self.reason:
                break
            rate /= 2
            if self._passes(rate):
                return rate, rate * 2
        return 0.0, rate

    @property
    def reason(self) -> str:
        """Why there is no use in another rate; empty where there may be."""
        last = self.probes[-FRUITLESS:]
        if len(last) < FRUITLESS or any(failures.right(each.outcomes) for each in last):
            return ""
        counts = ", ".join(f"{count} {name}" for name, count in last[-1].outcomes.items())
        tried = ", ".join(f"{rates.shown(each.rate)}/s" for each in last)
        return f"no right answer at {tried}; at the last, {counts}"

    @property
    def unconfirmed(self) -> str:
        """What was tried to confirm a rate; empty where none passed a probe."""
        tried = [probe.rate for probe in self.probes if probe.confirming]
        if not tried:
            return ""
        ends = f"from {rates.shown(tried[0])}/s down to {rates.shown(tried[-1])}/s"
        return f"{len(tried)} runs of {self.options.seconds:g} s {ends} confirmed no rate"

    def narrow(self, low: float, high: float) -> tuple[float, float]:
        """Until they differ by no more than the resolution."""
        while low and not self._near(low, high):
            middle = (low * high) ** 0.5
            low, high = (middle, high) if self._passes(middle) else (low, middle)
        return low, high

    def confirm(self, low: float, high: float) -> tuple[float, float, Run | None]:
        """The highest rate at or below `low` that a whole run confirms, and that run.

        Until one does the rate is lowered by the resolution, then by twice as much each time, up to
        a half; then the gap that this has left is halved. Ends after `CONFIRMINGS` runs.
        """
        kept: Run | None = None
        rate, step = low, self.options.resolution
        for _ in range(CONFIRMINGS if low else 0):
            run = self._probe(rate, (self.options.seconds,), self.options.warmup_s, True)
            if run.holds(self.options):
                low, kept = rate, run
            else:
                high = rate
            if self.reason or (kept and self._near(low, high)):
                break
            if kept:
                rate = (low * high) ** 0.5
            else:
                rate, step = rate / (1 + step), min(2 * step, 1.0)
        return (low if kept else 0.0), high, kept

    def _near(self, low: float, high: float) -> bool:
        return high / low <= (1 + self.options.resolution) * (1 + _ROUNDING)

    def _passes(self, rate: float) -> bool:
        """Whether a probe decides for it; one undecided at its last look does not."""
        warmup = min(_WARMUP_S, self.options.warmup_s)
        run = self._probe(rate, self.options.probe_s, warmup, False)
        return run.verdict.decision == Decision.INSIDE and run.valid

    def _probe(self, rate: float, seconds: Sequence[float], warmup: float, confirming: bool) -> Run:
        options = self.options
        counts = [max(FEWEST << n, round(rate * length)) for n, length in enumerate(seconds)]
        looks = confidence.plan_looks(counts, options.percentile, options.confidence)
        early = max(HOPELESS, round(rate / 2))
        if early < counts[0]:
            looks = (Look(early, -1, (early + 1) // 2), *looks)
        seed = options.seed + 1000 * (len(self.probes) + 1)
        run = one_run(options, self.bodies, rate, seed, looks, warmup)
        probe = Probe(
            rate=rate,
            decision=run.verdict.decision,
            p99=run.latency.get("p99"),
            requests=run.verdict.requests,
            overruns=run.verdict.overruns,
            generator_limited=not run.valid and run.generator.overruns < looks[-1].outside,
            confirming=confirming,
            outcomes=run.outcomes,
        )
        self.probes.append(probe)
        self.told(probe)
        time.sleep(_REST_S)
        return run
