"""What a run came to: quality over time, latency, versions, faults; read from the topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.demo.following import SERVED
from benchmarks.demo.periods import Span, months, periods, steps
from benchmarks.demo.replay import Replayed
from infra import inspection
from infra.settings import Settings
from online_models.evaluation import log_loss, roc_auc, weight_of
from schemas.declare import Domain, Label, Stopping, Unlabelled

HIDDEN = "stopped, outcome hidden"

_PERCENTILES = (1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9)


class Quality(msgspec.Struct, frozen=True):
    """Of one line in one period; AUC and log loss are NaN where there were no two classes."""

    examples: int
    positives: float
    auc: float
    log_loss: float


class Point(msgspec.Struct, frozen=True):
    """All lines from `time` (ms, by when it was asked) up to the next point."""

    time: int
    lines: dict[str, Quality]


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds from sending a question to its answer, and the share over the budget."""

    budget: float
    percentiles: dict[str, float]
    largest: float
    over_budget: float


class Version(msgspec.Struct, frozen=True):
    """A snapshot that answered; `first` is the event time (ms) of its first answer."""

    model: str
    version: int
    first: int
    answers: int


class Outcome(msgspec.Struct, frozen=True):
    """The report as it stands in `report.json`; times in ms since the epoch, UTC."""

    domain: str
    title: str
    positive: str
    first: int
    last: int
    seconds: float
    counts: dict[str, int]
    periods: dict[str, dict[str, Quality]]
    months: dict[str, dict[str, Quality]]
    timeline: list[Point]
    latency: Latency
    versions: list[Version]
    dead_letters: dict[str, int]
    degraded: dict[str, int]
    shed: int
    unscored: dict[str, int]
    """Examples that an arm had not scored when the run ended; lines are compared without them."""


@dataclass
class Line:
    """Probabilities that one model gave before it knew the labels; see `evaluation` on weights."""

    asked: NDArray[np.int64]
    probability: NDArray[np.float64]
    label: NDArray[np.float64]
    weight: NDArray[np.float64]

    def within(self, first: int, last: int) -> Quality:
        """Its quality on what was asked in [first, last)."""
        chosen = (self.asked >= first) & (self.asked < last)
        label, probability = self.label[chosen], self.probability[chosen]
        weight = self.weight[chosen]
        if not len(label):
            return Quality(0, np.nan, np.nan, np.nan)
        both = 0 < label.sum() < len(label)
        return Quality(
            len(label),
            float(np.average(label, weights=weight)),
            roc_auc(label, probability, weight) if both else np.nan,
            log_loss(label, probability, weight),
        )


@dataclass
class _Rows:
    ids: dict[str, None] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)
    label: list[float] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    def add(self, record: Mapping[str, Any]) -> None:
        if record["id"] in self.ids:
            return
        self.ids[record["id"]] = None
        self.asked.append(record["asked"])
        self.told.append(record["time"])
        self.probability.append(record["probability"])
        self.label.append(record["label"])
        self.weight.append(weight_of(record))

    def settled(self, label: Label) -> Set[str]:
        """Those of a time whose outcomes are all known: of the last deadline only labels are."""
        if label.missing is not Unlabelled.NEGATIVE:
            return self.ids.keys()
        until = max(self.told, default=0) - label.deadline
        return {id_ for id_, asked in zip(self.ids, self.asked, strict=True) if asked <= until}

    def line(self, shared: Set[str]) -> Line:
        """Of the examples that all lines share."""
        kept = np.array([id_ in shared for id_ in self.ids], bool)
        rest = (self.probability, self.label, self.weight)
        return Line(np.array(self.asked, np.int64)[kept], *(np.array(each)[kept] for each in rest))


def gather(
    settings: Settings, domain: Domain, replayed: Replayed, seconds: float, span: Span
) -> Outcome:
    """Reads the run's topics to their ends; `seconds` is how long the replay took.

    `span` is what was replayed: the outcome's too where there is no example to tell it.
    """
    lines, examples, unscored = _lines(settings, domain)
    versions, predictions, hidden, degraded = _predictions(settings, domain)
    letters = Counter(
        letter["reason"] for letter in inspection.read(settings, domain, "dead-letters")
    )
    counts = {
        "events": sum(replayed.records[event.name] for event in domain.events),
        **{event.name: replayed.records[event.name] for event in domain.events},
        "requests": replayed.answers,
        "predictions": predictions,
        **({HIDDEN: hidden} if isinstance(domain.routing.reward, Stopping) else {}),
        "labels": replayed.records["label"],
        "examples": examples,
        "snapshots": len({(each.model, each.version) for each in versions}),
    }
    asked = lines[SERVED].asked
    span = (int(asked.min()), int(asked.max()) + 1) if len(asked) else span
    return Outcome(
        domain=domain.name,
        title=domain.title,
        positive=domain.positive,
        first=span[0],
        last=span[1],
        seconds=seconds,
        counts=counts,
        periods={
            name: _qualities(lines, period)
            for name, period in periods(asked, *span, domain.timezone).items()
        },
        months={
            name: _qualities(lines, month) for name, month in months(*span, domain.timezone).items()
        },
        timeline=[Point(step[0], _qualities(lines, step)) for step in steps(*span)],
        latency=latency(replayed.latencies, settings.budget_ms),
        versions=versions,
        dead_letters=dict(letters),
        degraded=dict(degraded),
        shed=replayed.shed,
        unscored=unscored,
    )


def _lines(settings: Settings, domain: Domain) -> tuple[dict[str, Line], int, dict[str, int]]:
    """The lines that are compared, on the same examples; all examples; how many each lacks."""
    rows = {SERVED: _Rows(), **{name: _Rows() for name in domain.learner_names}}
    for stream, name in (("examples", None), ("scores", "learner")):
        for record in inspection.read(settings, domain, stream):
            rows[SERVED if name is None else record[name]].add(record)
    shared, unscored = common({who: row.ids.keys() for who, row in rows.items()})
    shared &= rows[SERVED].settled(domain.label)
    lines = {who: row.line(shared) for who, row in rows.items() if shared <= row.ids.keys()}
    return lines, len(rows[SERVED].ids), unscored


def common(scored: Mapping[str, Set[str]]) -> tuple[Set[str], dict[str, int]]:
    """The examples on which lines are compared, and how many each line lacks of those served.

    Those that all lines have scored, but for arms that have not half of what the first has: they
    are left out.
    """
    served = scored[SERVED]
    lacking = {who: len(served - ids) for who, ids in scored.items()}
    arms = {who: served & ids for who, ids in scored.items() if who != SERVED}
    most = max((len(ids) for ids in arms.values()), default=0)
    compared = [ids for ids in arms.values() if 2 * len(ids) >= most]
    return {id_ for id_ in served if all(id_ in ids for ids in compared)}, lacking


def _predictions(
    settings: Settings, domain: Domain
) -> tuple[list[Version], int, int, Counter[str]]:
    first: dict[tuple[str, int], int] = {}
    answers: Counter[tuple[str, int]] = Counter()
    degraded: Counter[str] = Counter()
    hidden = 0
    for record in inspection.read(settings, domain, "predictions"):
        key = (record["model"], record["version"])
        first[key] = min(record["time"], first.get(key, record["time"]))
        answers[key] += 1
        degraded.update(record["degraded"])
        hidden += record["seen"] == 0
    ordered = sorted(first, key=lambda key: (first[key], key[1]))
    found = [Version(*key, first[key], answers[key]) for key in ordered]
    return found, answers.total(), hidden, degraded


def _qualities(lines: Mapping[str, Line], span: Span) -> dict[str, Quality]:
    return {who: line.within(*span) for who, line in lines.items()}


def latency(seconds: Sequence[float], budget_ms: float) -> Latency:
    """Percentiles of latencies given in seconds."""
    found = np.array(seconds) * 1_000
    if not len(found):
        return Latency(budget_ms, {}, np.nan, np.nan)
    values = np.percentile(found, _PERCENTILES)
    return Latency(
        budget_ms,
        {f"p{p:g}": float(value) for p, value in zip(_PERCENTILES, values, strict=True)},
        float(found.max()),
        float((found > budget_ms).mean()),
    )
