"""What each way with a rare class does to a learner's probabilities, on simulated payments.

Under 1 % of payments are fraud. Every treatment is the same logistic regression with other options,
on the same questions, labelled as in life: a chargeback after days, silence after thirty. It is
measured on the answers that it could have given when it was asked, alone and behind Platt's
calibration. A treatment of the rare class changes how far a learner steps, so each is tried with
several rates, and held against the plain learner with the best of them, simulation by simulation.

    python -m benchmarks.learning.imbalance --out reports/imbalance
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.arguments import named
from benchmarks.learning.asked import NEVER, Asked
from benchmarks.learning.quality import Outcome, collect, prequential, turns
from online_models.evaluation import measure
from online_models.learners import make
from online_models.learners.blending import Blend
from schemas.declare import DAY, Domain, LearnerSpec
from schemas.domains import load as load_domain

F8 = NDArray[np.float64]
Figures = dict[str, float]

PLAIN = "plain"
TREATMENTS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {},
    "undersampled, 1 in 10 kept": {"keep": 0.1},
    "class-balanced weights": {"positives": 99.0},
    "focal, gamma 2": {"focal": 2.0},
    "focal, gamma 5": {"focal": 5.0},
    "rehearsed once": {"rehearse": 1.0},
}
"""Options of the logistic learner; 99 weighs the domain's prior of 1 % up to one half."""

SHOWN = {
    "average_precision": "AP",
    "log_loss": "log loss",
    "calibration_error": "ECE",
    "brier": "Brier",
}
RATES = (0.015, 0.05, 0.15)
"""The first is the learner's own, chosen on flights, where a fifth of the labels are positive."""
COMPARED = ("average_precision", "log_loss")


class Row(NamedTuple):
    """A treatment with a rate, and what stands behind it."""

    name: str
    rate: float


def treated(asked: Asked, domain: Domain, options: Mapping[str, Any], seed: int) -> list[F8]:
    """A fresh learner's answers to all questions, and what calibration makes of them."""
    spec = LearnerSpec("logistic", "logistic", options=options)
    outcome = prequential(asked, make(spec, domain, seed))
    return [outcome.asked, calibrated(asked, outcome)]


def calibrated(asked: Asked, outcome: Outcome) -> F8:
    """What the learner would have answered with the option `calibrate`.

    Calibration learns from what a learner says, and tells it nothing: it can be laid over a record.
    """
    platt, answers = Blend(1), np.full(len(asked), np.nan)
    for question, labelled in zip(*turns(asked), strict=True):
        if labelled:
            platt.learn([outcome.before[question]], bool(asked.label[question]))
        else:
            answers[question] = platt.score([outcome.asked[question]])
    return answers


def figures(asked: Asked, answers: F8, since: int) -> Figures:
    """Measures over the labelled questions that were asked from `since` (ms) on."""
    chosen = (asked.labelled != NEVER) & (asked.at >= since)
    return asdict(measure(asked.label[chosen], answers[chosen]))


def compared(runs: Mapping[Row, Sequence[Figures]]) -> list[dict[str, Any]]:
    """Means over the seeds, and the mean gain over the best plain row with its standard error."""

    def mean(row: Row, name: str) -> float:
        return float(np.mean([one[name] for one in runs[row]]))

    best = min((row for row in runs if row.name == PLAIN), key=lambda row: mean(row, "log_loss"))
    found = []
    for row, of_seeds in runs.items():
        told: dict[str, Any] = {**row._asdict(), **{name: mean(row, name) for name in SHOWN}}
        for name_of in COMPARED:
            pairs = zip(of_seeds, runs[best], strict=True)
            gains = np.array([one[name_of] - plain[name_of] for one, plain in pairs])
            error = gains.std(ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else np.nan
            told[f"{name_of}_gain"] = [float(gains.mean()), float(error)]
        found.append({**told, "seeds": list(of_seeds)})
    return found


def main(
    seeds: Annotated[int, typer.Option(help="How many simulations.")] = 3,
    days: Annotated[float, typer.Option(help="Days of payments in each.")] = 365,
    skip: Annotated[float, typer.Option(help="Days that are learned but not scored.")] = 60,
    rate: Annotated[list[float] | None, typer.Option(help="Rates of learning to try.")] = None,
    treatment: Annotated[list[str] | None, typer.Option(help="Only plain and these.")] = None,
    vectors: Annotated[Path | None, typer.Option(help="Folder that keeps the vectors.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for imbalance.json.")] = None,
) -> None:
    """Average precision, log loss, calibration error and Brier score of each treatment."""
    domain = load_domain("payments")
    wanted = (PLAIN, *named("treatment", treatment, tuple(TREATMENTS)))
    chosen = [name for name in TREATMENTS if name in wanted]
    runs: dict[Row, list[Figures]] = {}
    for seed in track(range(seeds), "simulations", console=Console(stderr=True)):
        asked = collect(domain, days, None, vectors, seed)
        since = int(asked.at[0] + skip * DAY)
        for name, step in product(chosen, rate or RATES):
            both = treated(asked, domain, {**TREATMENTS[name], "rate": step}, seed)
            for label, answers in zip((name, f"{name} + Platt"), both, strict=True):
                runs.setdefault(Row(label, step), []).append(figures(asked, answers, since))
    found = compared(runs)
    Console().print(_table(found))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"seeds": seeds, "days": days, "skip": skip, "rows": found}, indent=1)
        (out / "imbalance.json").write_text(text + "\n")


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    plain = rows[0]["seeds"]
    scored = sum(int(one["examples"]) for one in plain)
    fraud = sum(one["rate"] * one["examples"] for one in plain) / scored
    table = Table(
        "treatment",
        "rate",
        *SHOWN.values(),
        *(f"{SHOWN[name]} gain" for name in COMPARED),
        title=f"{scored:,} payments scored in {len(plain)} simulations, {fraud:.2%} fraud",
    )
    for row in rows:
        gains = [row[f"{measured}_gain"] for measured in COMPARED]
        table.add_row(
            row["name"],
            f"{row['rate']:g}",
            *(f"{row[measured]:.5f}" for measured in SHOWN),
            *(f"{gain:+.5f} ± {error:.5f}" for gain, error in gains),
        )
    return table


if __name__ == "__main__":
    typer.run(main)
