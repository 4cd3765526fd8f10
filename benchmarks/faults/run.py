"""Whether the deadline holds when Redis or the broker does not, and when too much is asked.

Redis stands behind a proxy that hangs, delays, resets and trickles; the broker is stopped and goes
on; then more is asked of another endpoint than it can answer. Every request counts, the log is read
back afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import rates
from benchmarks.faults.faulty import Endpoint
from benchmarks.faults.goals import AFTER_BROKER, OVERLOAD, USUAL, Goal
from benchmarks.faults.highest import Highest, Origin, searched
from benchmarks.faults.proxy import Fault, Proxy
from benchmarks.load import bodies
from benchmarks.load.answers import GOOD, Outcome
from benchmarks.load.offer import offer
from benchmarks.load.plan import Plan, Record
from benchmarks.machine import Machine, facts
from benchmarks.own_stack import Prepared
from infra import inspection
from infra.stack import BROKER, StackError
from infra.stack_file import recorded

CHAOS = "chaos"
_WARM_S, _REST_S = 3.0, 5.0
_TIMES_OVER = 3.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of each fault, requests per second; `delay_ms` is what a delay adds each way.

    `highest` is the rate that is exceeded three times over; searched for where it is 0.
    """

    rate: float = 500.0
    budget_ms: float = 50.0
    hang_s: float = 10.0
    short_s: float = 5.0
    delay_ms: float = 100.0
    broker_s: float = 60.0
    overload_s: float = 10.0
    highest: float = 0.0
    seed: int = 1


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the requests that were due in a phase; `inside` of all `count`, ms.

    `wrong` answers are not among the `failed`; percentiles are of right answers.
    """

    name: str
    goal: Goal
    count: int
    inside: float
    ok: int
    degraded: int
    shed: int
    wrong: int
    failed: int
    p50: float
    p99: float
    max: float
    accepted_inside: float


class Chaos(msgspec.Struct, frozen=True, kw_only=True):
    """`lost` are answers whose record is not in the log afterwards, of `answered`.

    `overload_rate` is three times `highest`, which older results do not say.
    """

    kind: str
    options: Options
    machine: Machine
    phases: list[Phase]
    answered: int
    lost: int
    overload_rate: float
    highest: Highest | None = None


class Step(NamedTuple):
    """Name and seconds of a phase, what begins it, and what is promised in it."""

    name: str
    seconds: float
    begin: Callable[[], object]
    goal: Goal = USUAL


def run(alone: Prepared, options: Options) -> Chaos:
    """Measures a stack of its own; raises LoadError where the endpoint cannot be asked."""
    asked = bodies.of_domain(alone.domain.name, count=2_000, at=str(alone.at))
    redis = urlsplit(alone.settings.redis_url)
    before = set(_logged(alone))
    with Proxy(redis.hostname or "127.0.0.1", redis.port or 6379) as proxy:
        behind = f"redis://127.0.0.1:{proxy.port}/0"
        with Endpoint(alone.settings, redis=behind) as url:
            ids, phases = _offered(url, asked, options, _redis_steps(proxy, options))
            more, told = _offered(url, asked, options, _broker_steps(alone, options))
    with Endpoint(alone.settings) as url:  # the proxy would take a processor that is needed
        highest = _highest(url, asked, options)
        rate = highest.rate * _TIMES_OVER
        step = Step(f"{rates.shown(rate)}/s asked", options.overload_s, lambda: None, OVERLOAD)
        last, over = _offered(url, asked, options, [step], rate)
        calm, after = _offered(url, asked, options, [Step("after", _REST_S, lambda: None)])
    answered = {*ids, *more, *last, *calm}
    return Chaos(
        kind=CHAOS,
        options=options,
        machine=facts(),
        phases=[*phases, *told, *over, *after],
        answered=len(answered),
        lost=len(answered - (set(_logged(alone)) - before)),
        overload_rate=rate,
        highest=highest,
    )


def _redis_steps(proxy: Proxy, options: Options) -> list[Step]:
    steps: list[Step] = [Step("all well", _REST_S, lambda: None)]
    for fault in (Fault.HANG, Fault.DELAY, Fault.RESET, Fault.TRICKLE):
        seconds = options.hang_s if fault is Fault.HANG else options.short_s
        begin = _setter(proxy, fault, options.delay_ms / 1e3)
        steps.append(Step(f"Redis: {fault}", seconds, begin))
        steps.append(Step(f"after the {fault}", _REST_S, _setter(proxy, Fault.NONE, 0.0)))
    return steps


def _setter(proxy: Proxy, fault: Fault, delay: float) -> Callable[[], object]:
    return lambda: proxy.set(fault, delay)


def _broker_steps(alone: Prepared, options: Options) -> list[Step]:
    """The embedded broker keeps its log in memory, so it is stopped and goes on, not killed."""
    broker = next(each for each in recorded(alone.settings.home) if each.name == BROKER).process()
    if broker is None:
        raise StackError("the stack's broker does not run any more")
    return [
        Step("all well", _REST_S, lambda: None),
        Step("broker gone", options.broker_s, broker.suspend),
        Step("after the broker", _REST_S, broker.resume, AFTER_BROKER),
    ]


def _offered(
    url: str, asked: list[bytes], options: Options, steps: Sequence[Step], rate: float = 0.0
) -> tuple[list[str], list[Phase]]:
    """Offers the load while the steps go by; ids that were answered, and the phases."""
    rate = rate or options.rate
    seconds = sum(step.seconds for step in steps)
    tag = f"chaos-{time.time_ns():x}-"
    plan = Plan(
        url=url, rate=rate, warmup=round(rate * _WARM_S), requests=round(rate * seconds),
        budget_ms=options.budget_ms, seed=options.seed, tag=tag,
    )  # fmt: skip
    over = threading.Event()
    with ThreadPoolExecutor(1) as beside:
        going = beside.submit(_go_by, steps, over)
        try:
            record, told = offer(plan, asked)
        finally:
            over.set()
        begins = going.result()
    good = np.flatnonzero(np.isin(record.outcome, GOOD)).tolist()
    edges = [begin - told.started / 1e3 for begin in begins]
    return [f"{tag}{number:09d}" for number in good], _phases(record, steps, edges, options)


def _go_by(steps: Sequence[Step], over: threading.Event) -> list[float]:
    """When each step began and the last ended, seconds of the wall clock; in haste once `over`."""
    over.wait(_WARM_S + 1.0)
    begins = []
    try:
        for step in steps:
            step.begin()
            begins.append(time.time())
            over.wait(step.seconds)
    finally:
        steps[-1].begin()  # whatever went wrong, nothing stays stopped
    return [*begins, time.time()]


def _phases(
    record: Record, steps: Sequence[Step], edges: Sequence[float], options: Options
) -> list[Phase]:
    due = record.intended / 1e9
    took = np.where(record.done < 0, np.inf, (record.done - record.intended) / 1e6)
    phases = []
    for step, first, last in zip(steps, edges, edges[1:], strict=False):
        chosen = (due >= first) & (due < last)
        phases.append(_phase(step, took[chosen], record.outcome[chosen], options.budget_ms))
    return phases


def _phase(
    step: Step, took: NDArray[np.float64], outcome: NDArray[np.int8], budget: float
) -> Phase:
    good = np.isin(outcome, GOOD)
    inside = took <= budget
    values = took[good] if good.any() else np.array([np.inf])
    p50, p99, top = np.percentile(values, [50, 99, 100], method="lower").tolist()
    shed, wrong = (int((outcome == kind).sum()) for kind in (Outcome.SHED, Outcome.WRONG))
    return Phase(
        name=step.name,
        goal=step.goal,
        count=len(took),
        inside=float((good & inside).mean()) if len(took) else 0.0,
        ok=int((outcome == Outcome.OK).sum()),
        degraded=int((outcome == Outcome.DEGRADED).sum()),
        shed=shed,
        wrong=wrong,
        failed=len(took) - int(good.sum()) - shed - wrong,
        p50=p50,
        p99=p99,
        max=top,
        accepted_inside=float(inside[good].mean()) if good.any() else 0.0,
    )


def _highest(url: str, asked: list[bytes], options: Options) -> Highest:
    if options.highest:
        return Highest(rate=options.highest, origin=Origin.GIVEN)
    return searched(url, asked, options.rate, options.budget_ms, options.seed)


def _logged(alone: Prepared) -> list[str]:
    return [each["id"] for each in inspection.read(alone.settings, alone.domain, "predictions")]
