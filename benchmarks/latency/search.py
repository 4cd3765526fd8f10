"""Searches for the highest arrival rate whose percentile stays inside the budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.latency import confidence, observe, results
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

REFUSED = {"shed", "error", "refused", "wrong", "broken"}
"""Outcomes that say at once that there will be no right answer."""

REFUSALS = 3
"""A server that refused every request of so many probes on end is asked no more.

One that is only overloaded answers some of them, or is still at work on them when a probe ends.
"""

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
    the server has refused every request of `REFUSALS` probes, whatever their rate.

    Gaps are halved on the scale of ratios until the two rates differ by `options.resolution`. Short
    probes flatter a server whose queue grows slowly, so the highest passed rate is confirmed by a
    run of `options.seconds` with a new seed, bursts allowed for, and lowered by the resolution
    until one is confirmed. The result's run is the confirming one. `told` hears of every probe.
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
        reason="" if low else hunt.reason,
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
        last = self.probes[-REFUSALS:]
        if len(last) < REFUSALS or not all(REFUSED.issuperset(each.outcomes) for each in last):
            return ""
        counts = ", ".join(f"{count} {name}" for name, count in last[-1].outcomes.items())
        rates = ", ".join(f"{each.rate:,.3g}/s" for each in last)
        return f"every request was refused at {rates}; at the last, {counts}"

    def narrow(self, low: float, high: float) -> tuple[float, float]:
        """Until they differ by no more than the resolution."""
        while low and high / low > 1 + self.options.resolution:
            middle = (low * high) ** 0.5
            low, high = (middle, high) if self._passes(middle) else (low, middle)
        return low, high

    def confirm(self, low: float, high: float) -> tuple[float, float, Run | None]:
        """The highest rate at or below `low` that a whole run confirms, and that run."""
        while low >= 1:
            run = self._probe(low, (self.options.seconds,), self.options.warmup_s, True)
            if run.holds(self.options):
                return low, high, run
            low, high = low / (1 + self.options.resolution), low
        return 0.0, high, None

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
