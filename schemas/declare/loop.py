"""What closes the loop: routing among arms, samples of the examples, the watch for drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from schemas.declare.learning import Publishing, ReactionName
from schemas.declare.units import DAY, HOUR

POLICIES = (
    "fixed", "split", "shadow", "canary", "epsilon-greedy", "ucb", "thompson", "contextual",
)  # fmt: skip
"""The routing policies, by name."""

DriftKind = Literal["covariate", "label", "concept"]
Feedback = Literal["shadow", "served"]
SampleKind = Literal["uniform", "weighted", "decayed", "stratified"]


@dataclass(frozen=True, slots=True)
class LogScore:
    """The reward of an answer is minus its log loss."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """What is probable enough is stopped: a positive's `amount` is saved, a negative costs `cost`.

    `amount` is a numeric column; stopped is what has a probability of `threshold` or more. The
    outcome of what was stopped never comes to light, so the share `let_through` of it passes all
    the same, by lot, and stands for the rest. Nor does the event `outcome` come, whose field `of`
    has the id of the request; without one only labels tell the outcome.
    """

    amount: str
    cost: float
    threshold: float
    let_through: float = 0.0
    outcome: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """Which arm answers: the policy to begin with, and what arms earn.

    `options` are those of the `policy` in `online_models.routes.specs.OPTIONS`; `arms` are
    learners, all of them when left out, and `served` first. A key of the `sticky` request fields
    keeps its arm for `sticky_for`. `feedback` says what earns: `shadow`, every arm by its score of
    every example, or `served`, only the arm that answered. What was earned weighs half after
    `half_life`; shares are renewed `every` so often. Spans in ms of event time.
    """

    policy: str = "fixed"
    arms: tuple[str, ...] = ()
    options: Mapping[str, float] = field(default_factory=dict)
    by: str = ""
    sticky: tuple[str, ...] = ()
    sticky_for: int = DAY
    reward: LogScore | Stopping = LogScore()
    feedback: Feedback = "shadow"
    half_life: int = 14 * DAY
    every: int = HOUR


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of the examples, in bounded space, kept by `flows/sampling`.

    `uniform`: `size` of all alike. `weighted`: by the value of the column `by`, above 0. `decayed`:
    the chance halves with every `half_life` (ms) of event time. `stratified`: up to `size` of each
    combination of what `by` names ("label" or slices), so that the rare keep their share; a
    combination that comes after the first 64 goes to the stratum "other". `publishing` says when
    a snapshot goes to the log; early ones come sooner.

    The weights of a sample's rows add up, in the mean, to the examples that they were drawn from;
    so do those of any part, such as a slice. `weighted` draws from none whose value is unknown or
    not above 0.
    """

    name: str
    kind: SampleKind
    size: int
    by: tuple[str, ...] = ()
    half_life: int = 0
    publishing: Publishing = Publishing(examples=1_000, time=DAY)


@dataclass(frozen=True, slots=True)
class React:
    """What a learner does when its own loss drifts; `REACTIONS` says which kinds know what.

    `to` are the kinds of drift, `learners` those that do it, all of them when left out. `explore`
    is for the router: it tries all arms more often while the loss of what was served has risen.
    """

    do: ReactionName
    to: tuple[DriftKind, ...] = ("label", "concept")
    learners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """How the stream is watched: at most `false_alarms` are expected `per` so much event time.

    That is the budget of all features, scores, labels, errors, windows and tests together; every
    threshold follows from it. The reference is what comes in the `reference` after the first
    `warm_up`; it should be long beside the time for which days resemble each other, for thresholds
    are learned from how much its parts differ, and hold eight long windows at least,
    better sixteen: by fewer, nobody knows how far they wander, and only a gross change passes their
    thresholds. A window is `short` or `long` many blocks: one series of blocks of `block` event
    time, which wait `late` for late records, one of so many `records` (more where a reference would
    be more than 1,000 such blocks). An alarm that nothing has found for `calm` blocks closes; from
    spans of so many it is learned how far a loss wanders. Spans in ms.
    """

    false_alarms: float = 1.0
    per: int = 30 * DAY
    warm_up: int = 7 * DAY
    reference: int = 56 * DAY
    block: int = DAY
    records: int = 250
    short: int = 1
    long: int = 3
    calm: int = 7
    late: int = HOUR
    reactions: tuple[React, ...] = ()
