"""Streams of River's generators, as they are and changed on a day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from river.datasets import synth

from benchmarks.drift.worlds import EPOCH, Stream, served
from online_models.drift.columns import Column
from schemas.declare import DAY, Drift

Make = Callable[[int, bool], Any]


def _sea(seed: int, changed: bool) -> Any:
    return synth.SEA(variant=2 if changed else 0, seed=seed, noise=0.1)


def _stagger(seed: int, changed: bool) -> Any:
    return synth.STAGGER(classification_function=2 if changed else 0, seed=seed)


def _agrawal(seed: int, changed: bool) -> Any:
    return synth.Agrawal(classification_function=4 if changed else 0, seed=seed)


def _hyperplane(seed: int, changed: bool) -> Any:
    return synth.Hyperplane(seed=seed + 10_000 * changed, n_features=8, noise_percentage=0.1)


def _blobs(seed: int, changed: bool) -> Any:
    """Inputs move, labels go with them: the classes are where they were."""
    return synth.RandomRBF(
        seed_model=7 if changed else 3, seed_sample=seed + changed, n_features=8, n_centroids=20
    )


SYNTHETIC: dict[str, Make] = {
    "SEA": _sea, "STAGGER": _stagger, "Agrawal": _agrawal, "Hyperplane": _hyperplane,
    "RandomRBF": _blobs,
}  # fmt: skip
SYNTHETIC_KINDS = {name: "covariate" if name == "RandomRBF" else "concept" for name in SYNTHETIC}
WATCH = Drift(reference=28 * DAY)
SYNTHETIC_DAYS, SYNTHETIC_PLANTED, A_DAY = 96, 60, 250


def synthetic_stream(name: str, seed: int, plant: bool) -> Stream:
    """A generator of River, 250 records a day, another variant of it from day 60 where planted."""
    number, first = SYNTHETIC_DAYS * A_DAY, SYNTHETIC_PLANTED * A_DAY * plant or None
    rows: list[list[float]] = []
    labels: list[float] = []
    for changed, count in ((False, first or number), (True, number - (first or number))):
        for x, y in SYNTHETIC[name](seed, changed).take(count):
            rows.append([float(value) for value in x.values()])
            labels.append(float(y))
    values, label = np.array(rows), np.array(labels)
    at = np.arange(number, dtype=np.int64) * (DAY // A_DAY)
    mean, deviation = values.mean(0), np.maximum(values.std(0), 1e-9)
    seen = np.column_stack([np.ones(number), (values - mean) / deviation])
    scores = served(seen, at, label, at + 1, 0.0)
    columns = [Column("feature", f"x{i}") for i in range(values.shape[1])]
    return Stream((*columns, Column("score", "score")), WATCH, at + EPOCH,
                  np.column_stack([values, scores]), label, at + EPOCH,
                  EPOCH + SYNTHETIC_PLANTED * DAY if plant else None,
                  SYNTHETIC_KINDS[name] if plant else "")  # fmt: skip
