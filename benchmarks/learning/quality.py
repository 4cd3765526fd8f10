"""Learning without broker and Redis: the tables, vectors and learners of the flows, in a bare loop.

Time is that of the events. A learner answers a question when it is asked, as it is then; it
learns from it when the label comes, hours later. So what is scored is what could have been served.
Beside it stands the score that a learner gives an example just before it learns from it: higher,
for by then it has seen labels that the question was asked before.

    python -m benchmarks.learning.quality --vectors .headrace
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.arguments import named
from benchmarks.learning.asked import NEVER, Asked, asked_of
from online_models.evaluation import measure
from online_models.learners import Learner, make
from schemas.dataset import load as load_dataset
from schemas.dataset import midnight
from schemas.declare import Domain
from schemas.domains import load as load_domain

F8 = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """One learner on one stream: probabilities [n] and seconds of work.

    `asked` are its answers as they could have been served, `before` those just before learning
    (NaN where no label came).
    """

    name: str
    asked: F8
    before: F8
    predicting: float
    learning: float


def prequential(asked: Asked, learner: Learner) -> Outcome:
    """Asks a fresh learner every question in turn and teaches it each label when that comes."""
    answers, before = np.full(len(asked), np.nan), np.full(len(asked), np.nan)
    vectors: list[list[float]] = asked.vectors.tolist()
    predicting = learning = 0.0
    for question, labelled in zip(*turns(asked), strict=True):
        start = time.perf_counter()
        if labelled:
            label = float(asked.label[question])
            before[question] = learner.score_then_learn(vectors[question], label)
            learning += time.perf_counter() - start
        else:
            answers[question] = learner.predict(vectors[question])
            predicting += time.perf_counter() - start
    return Outcome(learner.name, answers, before, predicting, learning)


def turns(asked: Asked) -> tuple[list[int], list[bool]]:
    """Numbers of questions in the order of what happens to them, and whether that is a label."""
    known = np.flatnonzero(asked.labelled != NEVER)
    question = np.concatenate([known, np.arange(len(asked))])
    times = np.concatenate([asked.labelled[known], asked.at])
    order = np.argsort(times, kind="stable")
    return question[order].tolist(), (order < len(known)).tolist()


def blanked(asked: Asked, patterns: Sequence[str]) -> Asked:
    """The same questions with the columns that match a pattern unknown in all of them."""
    gone = [any(fnmatch(name, pattern) for pattern in patterns) for name in asked.names]
    return replace(asked, vectors=np.where(np.array(gone), np.nan, asked.vectors))


def collect(
    domain: Domain, days: float | None, start: str | None, folder: Path | None, seed: int = 0
) -> Asked:
    """The questions of a part of the domain's data, which `seed` simulates where it is made up.

    Those of the same columns are kept in `folder` for the next time.
    """
    part = f"{start or 'whole'}-{days or 'whole'}-seed{seed}"
    kept = folder and folder / f"{domain.name}-{part}.npz"
    if kept and kept.exists():
        asked = Asked.read(kept)
        if asked.names == domain.vector_names:
            return asked
    asked = asked_of(domain, load_dataset(domain.name).replay(days, start, seed))
    if kept:
        asked.save(kept)
    return asked


def scored(asked: Asked, outcome: Outcome, since: int) -> dict[str, float]:
    """Quality over the labelled questions asked from `since` (ms) on, and microseconds of work."""
    chosen = (asked.labelled != NEVER) & (asked.at >= since)
    answered = measure(asked.label[chosen], outcome.asked[chosen])
    learning = measure(asked.label[chosen], outcome.before[chosen])
    return {
        "auc": answered.roc_auc,
        "log loss": answered.log_loss,
        "calibration error": answered.calibration_error,
        "auc before learning": learning.roc_auc,
        "log loss before learning": learning.log_loss,
        "predict us": 1e6 * outcome.predicting / len(asked),
        "learn us": 1e6 * outcome.learning / int((asked.labelled != NEVER).sum()),
    }


def with_options(domain: Domain, given: Sequence[str]) -> Domain:
    """The domain with options of learners set as LEARNER.OPTION=VALUE, the value as JSON.

    Raises BadParameter for another form, a value that is no JSON, or a learner it has not.
    """
    learners = {spec.name: spec for spec in domain.learners}
    for text in given:
        place, _, value = text.partition("=")
        name, _, option = place.partition(".")
        if name not in learners or not option:
            names = ", ".join(learners)
            raise typer.BadParameter(f"{text!r}; expected LEARNER.OPTION=VALUE, learner of {names}")
        try:
            options = {**learners[name].options, option: msgspec.json.decode(value)}
        except msgspec.DecodeError as error:
            raise typer.BadParameter(f"{text!r}; expected a value as JSON: {error}") from error
        learners[name] = replace(learners[name], options=options)
    return replace(domain, learners=tuple(learners.values()))


def main(
    domain: Annotated[str, typer.Option(help="Whose data and learners.")] = "flights",
    days: Annotated[float | None, typer.Option(help="How much of the data.")] = None,
    start: Annotated[str | None, typer.Option(help="Date to begin at.")] = None,
    since: Annotated[str, typer.Option(help="Score questions asked from here on.")] = "2013-10-01",
    learner: Annotated[list[str] | None, typer.Option(help="Only these learners.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="Set for a learner: challenger.size=100000.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="Columns to blank, as globs.")] = None,
    vectors: Annotated[Path | None, typer.Option(help="Folder that keeps the vectors.")] = None,
    seed: Annotated[int, typer.Option(help="Of learners with chance in them.")] = 0,
) -> None:
    """Quality of each learner on the answers it could have served, and what they cost."""
    declared = with_options(load_domain(domain), option or [])
    chosen = named("learner", learner, [spec.name for spec in declared.learners])
    began = time.perf_counter()
    asked = blanked(collect(declared, days, start, vectors), without or [])
    console = Console()
    console.print(
        f"{len(asked):,} questions, {int((asked.labelled != NEVER).sum()):,} with a label, "
        f"vectors of {len(asked.names)} in {time.perf_counter() - began:.1f} s"
    )
    begins, rows = midnight(since, declared.timezone), {}
    for spec in declared.learners:
        if spec.name in chosen:
            outcome = prequential(asked, make(spec, declared, seed))
            rows[spec.name] = scored(asked, outcome, begins)
    console.print(_table(f"{declared.title}, asked since {since}", rows))


def _table(title: str, rows: dict[str, dict[str, Any]]) -> Table:
    table = Table("learner", *next(iter(rows.values()), {}), title=title)
    for name, row in rows.items():
        table.add_row(name, *(f"{v:.1f}" if "us" in k else f"{v:.4f}" for k, v in row.items()))
    return table


if __name__ == "__main__":
    typer.run(main)
