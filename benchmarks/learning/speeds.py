"""The result of the learning benchmark: as it stands in JSON, as a table, beside another one."""

from __future__ import annotations

import statistics

import msgspec
import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.comparison import Comparison, Logs, of_turns, unlike
from benchmarks.learning.bare import OWN
from benchmarks.machine import Machine
from benchmarks.turns import Goal, misses, spread

LEARNING = "learning"
FLOW = "flow"
GOAL = 0.8


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for: days of the domain's data, learners (all when empty), turns of each."""

    domain: str = "flights"
    learners: tuple[str, ...] = ()
    days: float = 60.0
    rounds: int = 3
    seed: int = 0


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a learner through the flow, or in a bare loop; wall and CPU seconds.

    `difference` is the largest of a probability from that of the flow in the same round.
    """

    learner: str
    loop: str
    round: int
    examples: int
    seconds: float
    cpu: float
    difference: float = 0.0

    @property
    def rate(self) -> float:
        """Examples per second of wall time."""
        return self.examples / self.seconds


class Learning(msgspec.Struct, frozen=True, kw_only=True):
    """All turns, in the order in which they were taken."""

    kind: str
    options: Options
    machine: Machine
    turns: list[Turn]

    def loops(self) -> list[tuple[str, str]]:
        """Learners and their bare loops."""
        found = [(turn.learner, turn.loop) for turn in self.turns if turn.loop != FLOW]
        return list(dict.fromkeys(found))

    def of(self, learner: str, loop: str) -> list[Turn]:
        """The turns of one of them, by round."""
        return [turn for turn in self.turns if (turn.learner, turn.loop) == (learner, loop)]

    def ratios(self, learner: str, loop: str) -> list[float]:
        """By round: examples per second in the flow over those of the bare loop."""
        pairs = zip(self.of(learner, FLOW), self.of(learner, loop), strict=True)
        return [flow.rate / bare.rate for flow, bare in pairs]

    def goals(self) -> dict[tuple[str, str], Goal]:
        """By learner and the first of its bare loops, which is River's as people write it."""
        first: dict[str, str] = {}
        for learner, loop in self.loops():
            first.setdefault(learner, loop)
        return {
            (learner, loop): Goal(f"{learner} ÷ {loop}", GOAL, self.ratios(learner, loop))
            for learner, loop in first.items()
            if loop != OWN
        }

    def misses(self) -> list[str]:
        """Every goal that was missed."""
        return misses(self.goals().values())


def line(turn: Turn) -> str:
    """A turn in a line."""
    each = turn.cpu / turn.examples * 1e6
    return f"{turn.learner}, {turn.loop}: {turn.rate:,.0f} examples/s, {each:.0f} µs CPU each"


def told(result: Learning) -> RenderableType:
    """For a person: medians over the rounds, and how far apart the ratios lie."""
    shown = result.options
    table = Table(
        "learner", "in the flow, /s", "µs CPU", "bare loop", "/s", "µs CPU", "flow ÷ bare", "goal",
        title=f"{shown.days:g} days of {shown.domain}, {shown.rounds} turns of each",
        caption="Whole flow: broker to join, examples, learner, scores and snapshots in the broker,"
        f" in one process. All probabilities are those of the bare loop. Where that is"
        f" {OWN} there is no River to compare with, and no goal.",
    )  # fmt: skip
    goals = result.goals()
    for learner, loop in result.loops():
        flow, bare = result.of(learner, FLOW), result.of(learner, loop)
        ratios, goal = spread(result.ratios(learner, loop)), goals.get((learner, loop), "")
        table.add_row(learner, *_figures(flow), loop, *_figures(bare), ratios, str(goal))
    missed = [Text(f"missed: {each}", style="bold red") for each in result.misses()]
    return Group(table, *missed)


def _figures(turns: list[Turn]) -> tuple[str, str]:
    rate = statistics.median(turn.rate for turn in turns)
    cpu = statistics.median(turn.cpu / turn.examples for turn in turns)
    return f"{rate:,.0f}", f"{cpu * 1e6:.0f}"


def compare(a: Learning, b: Learning, confidence: float = 0.99) -> Comparison:
    """Judges every ratio that both results have; raises ValueError where there is none."""
    first, second = _ratios(a), _ratios(b)
    both = {name: (first[name], second[name]) for name in first if name in second}
    if not both:
        raise ValueError("the two results have no learner in common")
    changes, notes = of_turns(both, confidence)
    return Comparison(
        method=f"Welch's t-test on log ratios of turns, Holm, {confidence * 100:g} %",
        unlike=unlike(a, b, ("learners", "rounds", "seed")),
        changes=changes,
        notes=notes,
    )


def _ratios(result: Learning) -> dict[str, Logs]:
    return {
        f"{learner} ÷ {loop}": np.log(result.ratios(learner, loop))
        for learner, loop in result.loops()
    }
