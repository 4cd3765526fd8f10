"""What provisional labels are worth on flights, in the bare loop of `benchmarks.learning.quality`.

One that a departure gives is learned hours before the landing, with a part of the weight, and
the true label with the rest. What is scored are the answers when asked, against the true labels.

    python -m benchmarks.learning.provisional --vectors .headrace
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.arguments import named
from benchmarks.learning.asked import NEVER, Asked
from benchmarks.learning.quality import collect
from online_models.evaluation import CLIP, measure
from online_models.learners import Learner, make
from online_models.provisional import Labelling, ProvisionalLabel
from schemas.dataset import load as load_dataset
from schemas.dataset import midnight
from schemas.declare import DAY, Domain, Provisional
from schemas.domains import load as load_domain

F8 = NDArray[np.float64]


def _late(minutes: float, weight: float) -> Provisional:
    name = "late_departure"
    return Provisional(name, "departed", "leg", "delay", 1.0, weight, at_least=minutes)


def _early(weight: float) -> Provisional:
    return Provisional("early_departure", "departed", "leg", "delay", 0.0, weight, at_most=-5.0)


TRIED: Mapping[str, tuple[Provisional, ...]] = {
    "none": (),
    "45 min late, weight 0.1": (_late(45, 0.1),),
    "45 min late, weight 0.3": (_late(45, 0.3),),
    "45 min late, weight 0.8": (_late(45, 0.8),),
    "45 min late or 5 min early, weight 0.3": (_late(45, 0.3), _early(0.3)),
    "45 min late or 5 min early, weight 0.8": (_late(45, 0.8), _early(0.8)),
}
"""Sets of provisional labels."""


@dataclass(frozen=True)
class Answers:
    """Answers [n] when asked; how many provisional labels there were, and the share that came true.

    The share is of those whose true label came.
    """

    asked: F8
    provisional: int
    right: float


def learned(asked: Asked, learner: Learner, provisional: Mapping[str, ProvisionalLabel]) -> Answers:
    """Asks a fresh learner every question in turn, and teaches it what it can know by then."""
    answers = np.full(len(asked), np.nan)
    vectors: list[list[float]] = asked.vectors.tolist()
    labels = [provisional.get(id_) for id_ in asked.ids.tolist()]
    for question, what in _turns(asked, labels):
        vector, label = vectors[question], labels[question]
        if what == _ASKED:
            answers[question] = learner.predict(vector)
        elif what == _LABELLED:
            rest = 1.0 - (label.weight if label else 0.0)
            learner.learn(vector, float(asked.label[question]), rest)
        elif label:
            learner.learn(vector, label.label, label.weight)
    came = [
        label.label == true
        for label, true in zip(labels, asked.label.tolist(), strict=True)
        if label and true == true
    ]
    number = sum(label is not None for label in labels)
    return Answers(answers, number, float(np.mean(came or [0])))


_PROVISIONAL, _LABELLED, _ASKED = range(3)
"""In this order where they happen at the same time."""


def _turns(asked: Asked, labels: Sequence[ProvisionalLabel | None]) -> list[tuple[int, int]]:
    """Numbers of questions in the order of what happens to them, and what it is."""
    known = np.flatnonzero(asked.labelled != NEVER)
    given = np.array([number for number, label in enumerate(labels) if label], np.int64)
    came = np.array([label.time for label in labels if label], np.int64)
    times = [came, asked.labelled[known], asked.at]
    question = np.concatenate([given, known, np.arange(len(asked))])
    what = np.repeat([_PROVISIONAL, _LABELLED, _ASKED], [len(part) for part in times])
    order = np.lexsort((what, np.concatenate(times)))
    return list(zip(question[order].tolist(), what[order].tolist(), strict=True))


def given_by(
    declared: Sequence[Provisional],
    domain: Domain,
    days: float | None,
    start: str | None,
    asked: Asked,
) -> dict[str, ProvisionalLabel]:
    """By question the provisional label that came between its asking and its label."""
    labelling, found = Labelling(declared), dict[str, ProvisionalLabel]()
    wanted = dict(zip(asked.ids.tolist(), zip(asked.at, asked.labelled, strict=True), strict=True))
    for stamped in load_dataset(domain.name).replay(days, start) if declared else ():
        label = labelling.of(stamped.name, stamped.record) if stamped.stream == "events" else None
        at, labelled = wanted.get(label.id, (0, 0)) if label else (0, 0)
        if label and at < label.time and (labelled == NEVER or label.time < labelled):
            found.setdefault(label.id, label)
    return found


def gain(asked: Asked, plain: F8, other: F8, chosen: NDArray[np.bool_]) -> tuple[float, float]:
    """Log loss of `other` less that of `plain`, with its standard error over days as blocks."""
    label = asked.label[chosen]
    told = [np.where(label == 1, p, 1.0 - p) for p in (plain[chosen], other[chosen])]
    losses = [-np.log(np.maximum(p, CLIP)) for p in told]
    _, place = np.unique(asked.at[chosen] // DAY, return_inverse=True)
    sums, sizes = np.bincount(place, losses[1] - losses[0]), np.bincount(place)
    mean = float(sums.sum() / sizes.sum())
    error = float(np.sqrt(((sums - mean * sizes) ** 2).sum()) / sizes.sum())
    return mean, error


def main(
    learner: Annotated[str, typer.Option(help="Which learner of flights.")] = "logistic",
    days: Annotated[float | None, typer.Option(help="How much of the data.")] = None,
    start: Annotated[str | None, typer.Option(help="Date to begin at.")] = None,
    since: Annotated[str, typer.Option(help="Questions are told apart here.")] = "2013-10-01",
    tried: Annotated[list[str] | None, typer.Option(help="Only none and these.")] = None,
    vectors: Annotated[Path | None, typer.Option(help="Folder that keeps the vectors.")] = None,
    seed: Annotated[int, typer.Option(help="Of learners with chance in them.")] = 0,
) -> None:
    """AUC and log loss of the answers before and since a date, with each set of labels."""
    domain = load_domain("flights")
    specs = {spec.name: spec for spec in domain.learners}
    [spec] = (specs[name] for name in named("learner", [learner], tuple(specs)))
    wanted = ("none", *named("set of labels", tried, tuple(TRIED)))
    asked = collect(domain, days, start, vectors)
    later = asked.at >= midnight(since, domain.timezone)
    known = asked.labelled != NEVER
    heads = ("AUC", "log loss", "less none's")
    table = Table(
        "provisional",
        "labels",
        "right",
        *(f"{head}, before" for head in heads),
        *(f"{head}, since" for head in heads),
        title=f"{learner}, {since}",
    )
    plain: F8 | None = None
    for name, declared in TRIED.items():
        if name not in wanted:
            continue
        found = given_by(declared, domain, days, start, asked)
        answers = learned(asked, make(spec, domain, seed), found)
        plain = answers.asked if plain is None else plain
        before, after = (
            _cells(asked, plain, answers.asked, known & part) for part in (~later, later)
        )
        table.add_row(name, f"{answers.provisional:,}", f"{answers.right:.3f}", *before, *after)
    Console().print(table)


def _cells(asked: Asked, plain: F8, found: F8, chosen: NDArray[np.bool_]) -> list[str]:
    measured = measure(asked.label[chosen], found[chosen])
    mean, error = gain(asked, plain, found, chosen)
    return [
        f"{measured.roc_auc:.4f}",
        f"{measured.log_loss:.4f}",
        f"{mean:+.5f} ± {error:.5f}",
    ]


if __name__ == "__main__":
    typer.run(main)
