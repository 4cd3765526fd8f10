"""Measures against River's, against brute force, and streams against arrays."""

from __future__ import annotations

import itertools
import math
import pickle
from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray
from river import metrics

from online_models import evaluation
from online_models.evaluation import (
    CALIBRATION_BINS,
    Measures,
    measure,
)
from online_models.tallies import Recent, Tally

Doubles = NDArray[np.float64]


def answers(count: int, rate: float = 0.3, seed: int = 5) -> tuple[Doubles, Doubles]:
    """Labels, and probabilities that know something of them; some of them equal."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < rate).astype(np.float64)
    logit = math.log(rate / (1 - rate)) + labels * 1.2 + rng.normal(size=count)
    return labels, np.round(1 / (1 + np.exp(-logit)), 3)


def test_roc_auc_is_the_share_of_pairs_in_order() -> None:
    labels, probabilities = answers(300)
    pairs = [
        (p > q) + (p == q) / 2
        for (y, p), (z, q) in itertools.product(zip(labels, probabilities, strict=True), repeat=2)
        if y > z
    ]
    assert evaluation.roc_auc(labels, probabilities) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_average_precision_walks_down_the_thresholds() -> None:
    labels, probabilities = answers(300)
    total, recall = 0.0, 0.0
    for threshold in sorted(set(probabilities), reverse=True):
        taken = probabilities >= threshold
        found = labels[taken].sum() / labels.sum()
        total += (found - recall) * labels[taken].mean()
        recall = found
    assert evaluation.average_precision(labels, probabilities) == pytest.approx(total, abs=1e-12)


def test_log_loss_and_clipping_are_rivers() -> None:
    labels, probabilities = answers(500)
    probabilities[:4], labels[:4] = [0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]
    river = metrics.LogLoss()
    for label, probability in zip(labels, probabilities, strict=True):
        river.update(bool(label), float(probability))
    assert evaluation.log_loss(labels, probabilities) == pytest.approx(river.get(), rel=1e-9)


def test_perfect_and_worthless_answers() -> None:
    perfect = measure([0, 1, 0, 1], [0, 1, 0, 1])
    assert perfect.roc_auc == perfect.average_precision == 1.0
    assert perfect.brier == perfect.calibration_error == 0.0
    assert perfect.log_loss < 1e-14
    worthless = measure([0, 1, 0, 1], [0.5] * 4)
    assert worthless.roc_auc == worthless.average_precision == 0.5
    assert worthless.log_loss == pytest.approx(math.log(2))
    assert worthless.brier == 0.25


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    # 0.2 and 0.24 share a bin: 3 of 10 positive at 0.22 on average; 0.9 is right 9 times of 10
    labels = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0] + [1] * 9 + [0]
    probabilities = [0.2, 0.24] * 5 + [0.9] * 10
    assert evaluation.calibration_error(labels, probabilities) == pytest.approx(0.08 / 2)
    assert int(0.2 * CALIBRATION_BINS) == int(0.24 * CALIBRATION_BINS)


@pytest.mark.parametrize("rate", [0.3, 0.005])
def test_tally_follows_the_stream_in_bounded_memory(rate: float) -> None:
    labels, probabilities = answers(20_000, rate)
    tally, sizes = Tally(), []
    for place, (label, probability) in enumerate(zip(labels, probabilities, strict=True)):
        tally.update(float(label), float(probability))
        if place in (9_999, 19_999):
            sizes.append(len(pickle.dumps(tally)))
    exact, found = measure(labels, probabilities), tally.measures()
    assert found.roc_auc == pytest.approx(exact.roc_auc, abs=2e-4)
    assert found.average_precision == pytest.approx(exact.average_precision, abs=2e-3)
    for name in ("examples", "rate", "log_loss", "brier", "calibration_error"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=1e-9)
    assert sizes[1] < sizes[0] * 1.1


def test_recent_forgets_the_oldest() -> None:
    labels, probabilities = answers(1_000)
    recent = Recent(size=300)
    assert recent.measures().examples == 0
    for place, (label, probability) in enumerate(zip(labels, probabilities, strict=True), start=1):
        recent.update(float(label), float(probability))
        if place in (100, 300, 301, 1_000):
            held = slice(max(0, place - 300), place)
            expected = measure(labels[held], probabilities[held])
            assert astuple(recent.measures()) == pytest.approx(astuple(expected))


def test_one_class_or_nothing_gives_nan_where_undefined() -> None:
    for labels in ([0.0, 0.0], [1.0, 1.0]):
        found = measure(labels, [0.2, 0.8])
        assert math.isnan(found.roc_auc)
        assert math.isnan(found.average_precision)
        assert math.isfinite(found.log_loss)
        assert set(found.finite()) == {
            *("examples", "rate", "log_loss", "brier", "calibration_error")
        }
    for nothing in (measure([], []), Tally().measures()):
        assert isinstance(nothing, Measures)
        assert nothing.finite() == {"examples": 0}


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [([0.5], [0.5]), ([1], [1.1]), ([1], [math.nan]), ([math.nan], [0.5]), ([1, 0], [0.5])],
)
def test_what_is_no_label_or_probability_is_refused(
    labels: list[float], probabilities: list[float]
) -> None:
    for function in (measure, evaluation.log_loss, evaluation.roc_auc, evaluation.brier):
        with pytest.raises(ValueError, match=r"expected|labels|probabilities"):
            function(labels, probabilities)
    if len(labels) == len(probabilities):
        with pytest.raises(ValueError, match="expected"):
            Tally().update(labels[0], probabilities[0])
