"""The demo: a whole stack of its own, a replay of real events through it, and a report."""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.live import Live

from benchmarks import ending
from benchmarks.demo import outcome
from benchmarks.demo import report as demo_report
from benchmarks.demo.following import Follower
from benchmarks.demo.questions import with_questions
from benchmarks.demo.replay import Replay, Replayed, ReplayError
from benchmarks.demo.watch import Watch
from infra import inspection, signals
from infra.kafka import LogError
from infra.producing import write_truth
from infra.settings import Settings, alone
from infra.stack import BROKER, REDIS, Stack
from infra.stack_file import recorded
from infra.terminal import utc
from online_models.learners import make_all
from schemas import domains
from schemas.dataset import Stamped, load, part
from schemas.declare import MINUTE, Domain

REPLAY_SECONDS = 105.0
"""A replay of no chosen length ends after so long, so that start, the rest that is to be learned
and the report fit into three minutes on a slow machine too."""

DRAIN = 120.0
"""Seconds that the learning flow may stand still, at the end, before it is taken to be done. The
silence of thousands of questions may end at once, and on a busy machine learning gives way."""

DRAIN_SECONDS = 45.0
"""What the drain of a replay of no chosen length may take in all."""


@dataclass(frozen=True)
class Plan:
    """What to replay: `days` from `start` (ISO date) in steps of `step` minutes of event time.

    What is left out is as the data set says, and without `days` the replay also ends after
    REPLAY_SECONDS. `plant` is planted in simulated data, and the truth of them written to the file
    `truth`. `kafka` names brokers to use in the embedded one's place.
    """

    domain: str
    days: float | None = None
    start: str | None = None
    step: float | None = None
    report: Path | None = None
    seed: int = 1
    plant: tuple[str, ...] = ()
    truth: Path | None = None
    kafka: str | None = None

    @property
    def folder(self) -> Path:
        """Where the report goes."""
        return self.report or Path("reports") / f"demo-{Path(self.domain).name}"

    @property
    def limits(self) -> tuple[float, float]:
        """Seconds that the replay and the learning of the rest may take."""
        return (REPLAY_SECONDS, DRAIN_SECONDS) if self.days is None else (float("inf"),) * 2


def run(plan: Plan, settings: Settings, console: Console) -> outcome.Outcome:
    """Runs the demo and writes its report; whatever happens, no process is left behind.

    Raises ValueError where the data set has no such part, StartError, ReplayError, LogError, and
    KeyboardInterrupt on a signal.
    """
    domain = domains.load(plan.domain)
    make_all(domain)
    data = load(plan.domain)
    days = data.DEMO.days if plan.days is None else plan.days
    span = part(data.span(), domain.timezone, plan.start, days)
    step = data.DEMO.step if plan.step is None else _milliseconds(plan.step)
    with _told(console, "Preparing the data"):
        items = with_questions(data, span[0], days, plan.start, plan.seed, plan.plant)
        if plan.truth is not None:
            write_truth(data, plan.truth, days, plan.start, plan.seed, plan.plant)
    plan.folder.mkdir(parents=True, exist_ok=True)
    with ending.as_by_ctrl_c(), _home(settings) as home:
        own = _own(settings, plan, home)
        if plan.kafka:
            _refuse_old_records(own, domain)
        console.print(f"[bold]{domain.title}[/]: {utc(span[0])} to {utc(span[1])}")
        stack = Stack(own)
        with _told(console, "Starting broker, Redis, flows and endpoint"):
            stack.start()
        try:
            found = _Run(plan, domain, stack, span, console).replay(items, step)
        finally:
            stack.stop()
        with _told(console, "Writing the report"):
            demo_report.write(found, plan.folder)
    demo_report.show(found, plan.folder, console)
    answered, logged = found.counts["requests"], found.counts["predictions"]
    if logged != answered:
        raise ReplayError(f"{answered:,} questions were answered, but {logged:,} are in the log")
    return found


def _milliseconds(minutes: float) -> int:
    if not 1 / MINUTE <= minutes < math.inf:
        raise ReplayError(f"--step {minutes:g}: expected minutes, finite and at least 1 ms")
    return round(minutes * MINUTE)


@dataclass
class _Run:
    """A replay through a stack that runs."""

    plan: Plan
    domain: Domain
    stack: Stack
    span: tuple[int, int]
    console: Console

    def replay(self, items: Iterable[Stamped], step: int) -> outcome.Outcome:
        """Replays everything, lets the rest be learned, and reads from the log what came of it."""
        quiet = self.stack.settings.model_copy(update={"kafka_options": {"log_level": 0}})
        began = time.monotonic()
        with Follower(quiet, self.domain) as follower:
            watch = Watch(self.domain, *self.span, follower)
            replay = Replay(
                quiet, self.domain, self._marker(watch), lambda: follower.seen[self.domain.served]
            )
            with self._live(watch):
                self._ask(replay, _until(items, began + self.plan.limits[0]), step)
                self._enter(watch, "learning the rest")
                self._drain(watch, replay.done)
                seconds = time.monotonic() - began
                self._enter(watch, "reading the log")
                self._stop_rooms()
                found = outcome.gather(quiet, self.domain, replay.done, seconds, self.span)
        if replay.done.time < self.span[1] - step and seconds > self.plan.limits[0]:
            self.console.print(
                f"Stopped at {utc(replay.done.time)}, after {self.plan.limits[0]:.0f} s of replay; "
                "--days replays all of it, however long it takes."
            )
        return found

    def _ask(self, replay: Replay, items: Iterable[Stamped], step: int) -> None:
        try:
            signals.run(replay.run(items, step), signal.SIGHUP)
        except (ReplayError, LogError, aiohttp.ClientError, ExceptionGroup) as fault:
            self.stack.check()
            raise _first(fault) from None

    def _drain(self, watch: Watch, done: Replayed) -> None:
        """Waits until every question whose outcome is known is an example that all learners scored.

        Where that takes too long, the report says how many each learner had not scored.
        """
        follower = watch.follower
        began = since = time.monotonic()
        seen, wanted = 0, done.expected.known
        while not follower.complete(wanted, len(self.domain.learners)):
            self.stack.check()
            if follower.fault is not None:
                raise follower.fault
            now = time.monotonic()
            if follower.seen.total() != seen:
                seen, since = follower.seen.total(), now
            if now - since > DRAIN or now - began > self.plan.limits[1]:
                return
            if not self.console.is_terminal:
                watch.tell_line(self.console)
            time.sleep(0.05)

    def _enter(self, watch: Watch, phase: str) -> None:
        watch.phase = phase
        if not self.console.is_terminal:
            watch.tell_line(self.console)

    def _stop_rooms(self) -> None:
        """Ends all that writes to the log."""
        names = {each.name for each in recorded(self.stack.settings.home)} - {BROKER, REDIS}
        self.stack.stop(*names)

    def _marker(self, watch: Watch) -> Callable[[Replayed], None]:
        def mark(done: Replayed) -> None:
            watch.mark(done)
            if not self.console.is_terminal:
                watch.tell_line(self.console)

        return mark

    def _live(self, watch: Watch) -> AbstractContextManager[object]:
        if self.console.is_terminal:
            return Live(watch, console=self.console, refresh_per_second=4)
        return nullcontext()


def _until(items: Iterable[Stamped], end: float) -> Iterator[Stamped]:
    """The records until the monotonic clock shows `end`."""
    for item in items:
        if time.monotonic() > end:
            return
        yield item


def _first(fault: BaseException) -> BaseException:
    """What a task group wraps."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault


def _own(settings: Settings, plan: Plan, home: Path) -> Settings:
    """Settings for a stack that shares nothing with any other, but a broker that was asked for."""
    options = settings.kafka_options if plan.kafka else {}
    return alone(settings, home, domain=plan.domain, kafka=plan.kafka, kafka_options=options)


def _refuse_old_records(settings: Settings, domain: Domain) -> None:
    """Raises ReplayError where the broker has records of an earlier run."""
    for topic in inspection.topics(settings, domain):
        if topic.kind != "schemas" and topic.records and topic.name.startswith(f"{domain.name}."):
            raise ReplayError(
                f"{topic.name} on {settings.brokers} has {topic.records:,} records; a replay needs "
                f"a broker without any of {domain.name}: delete its topics, or use another"
            )


@contextmanager
def _told(console: Console, what: str) -> Iterator[None]:
    """Says what takes a few seconds."""
    if console.is_terminal:
        with console.status(f"{what} …"):
            yield
        return
    console.print(f"{what} …")
    yield


@contextmanager
def _home(settings: Settings) -> Iterator[Path]:
    """A folder for this run alone; kept, for its logs, only where the run failed."""
    new = not settings.home.exists()
    home = (settings.home / f"demo-{os.getpid()}").absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        yield home
    except Exception:
        raise
    except BaseException:
        _remove(home, new)
        raise
    _remove(home, new)


def _remove(home: Path, parent_too: bool) -> None:
    shutil.rmtree(home, ignore_errors=True)
    if parent_too:
        with suppress(OSError):
            home.parent.rmdir()
