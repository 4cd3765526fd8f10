"""How good probabilities are, over arrays, exactly; over streams: `online_models.tallies`.

An example stands for others whose outcome stayed hidden: its weight is 1 over the probability that
its own was seen, and the measures are then those of all (Horvitz and Thompson, 1952).

Log loss clips probabilities to [CLIP, 1 - CLIP], so that one certain and wrong answer costs 34.5
and not infinity. ROC AUC and average precision are NaN where one of the classes is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLIP = 1e-15
"""As `river.metrics.LogLoss` and most others have it."""

CALIBRATION_BINS = 15
"""Equal widths of probability (Guo et al., On Calibration of Modern Neural Networks, 2017)."""

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measures:
    """Measures of one set of examples; `rate` is their share of positives.

    `effective` is how many examples of equal weight would tell as much: Kish, *Survey Sampling*
    (1965), the square of the sum of the weights over the sum of their squares.
    """

    examples: int
    rate: float
    log_loss: float
    brier: float
    roc_auc: float
    average_precision: float
    calibration_error: float
    effective: float

    @property
    def weighted(self) -> bool:
        """Whether some examples weigh more than others."""
        return not math.isclose(self.effective, self.examples)

    def finite(self) -> dict[str, float]:
        """By name, without those that are NaN: fit for a snapshot's metadata.

        Without `effective` where all examples weigh alike.
        """
        found = {name: value for name, value in asdict(self).items() if math.isfinite(value)}
        if not self.weighted:
            del found["effective"]
        return found


_NAN = math.nan
NOTHING = Measures(0, _NAN, _NAN, _NAN, _NAN, _NAN, _NAN, effective=0.0)


def weight_of(record: Mapping[str, Any]) -> float:
    """What an example, or a score of one, weighs: it stands for outcomes that stayed hidden."""
    return 1.0 / float(record.get("seen", 1.0))


def log_loss(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Mean of -log of the probability given to what happened, in nats; all of shape [n].

    This and the next four raise ValueError for labels other than 0 and 1, probabilities outside
    [0, 1], weights that are not positive and finite, or unequal lengths, and give NaN for n = 0.
    Without weights all examples weigh 1.
    """
    y, p, w = _checked(labels, probabilities, weights)
    clipped = np.clip(p, CLIP, 1.0 - CLIP)
    return _mean(np.where(y == 1.0, -np.log(clipped), -np.log1p(-clipped)), w)


def brier(labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean squared difference of probability and label."""
    y, p, w = _checked(labels, probabilities, weights)
    return _mean((p - y) ** 2, w)


def roc_auc(labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The share of pairs of a positive and a negative that are ranked right; ties count half.

    A pair weighs the product of its weights.
    """
    return area(*_by_score(*_checked(labels, probabilities, weights)))


def average_precision(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Sum over the thresholds of precision times the gain in recall."""
    return precision(*_by_score(*_checked(labels, probabilities, weights)))


def calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Mean over the bins, by size, of |mean probability - share of positives| (ECE)."""
    y, p, w = _checked(labels, probabilities, weights)
    bins = np.minimum((p * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=(p - y) * w)
    return float(np.abs(gaps).sum() / w.sum()) if len(y) else math.nan


def measure(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None
) -> Measures:
    """All of them, exact; raises ValueError as they do."""
    y, p, w = _checked(labels, probabilities, weights)
    positives, negatives = _by_score(y, p, w)
    return Measures(
        examples=len(y),
        rate=_mean(y, w),
        log_loss=log_loss(y, p, w),
        brier=brier(y, p, w),
        roc_auc=area(positives, negatives),
        average_precision=precision(positives, negatives),
        calibration_error=calibration_error(y, p, w),
        effective=float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0,
    )


def area(positives: Counts, negatives: Counts) -> float:
    """ROC AUC, from weights by ascending score."""
    pairs = float(positives.sum()) * float(negatives.sum())
    if not pairs:
        return math.nan
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / pairs)


def precision(positives: Counts, negatives: Counts) -> float:
    """Average precision, from weights by ascending score."""
    total = float(positives.sum())
    if not total or not negatives.sum():
        return math.nan
    hits = np.cumsum(positives[::-1])
    taken = np.cumsum((positives + negatives)[::-1])
    share = np.divide(hits, taken, out=np.zeros(len(hits)), where=taken > 0)
    return float((share * positives[::-1]).sum() / total)


def _checked(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None
) -> tuple[Counts, Counts, Counts]:
    y = np.asarray(labels, dtype=np.float64)
    p = np.asarray(probabilities, dtype=np.float64)
    w = np.ones(y.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if y.ndim != 1 or not y.shape == p.shape == w.shape:
        raise ValueError(
            f"labels {y.shape}, probabilities {p.shape}, weights {w.shape}; expected [n] each"
        )
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("labels other than 0 and 1")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError("probabilities outside [0, 1]")
    if not ((w > 0.0) & np.isfinite(w)).all():
        raise ValueError("weights that are not positive and finite")
    return y, p, w


def _mean(values: Counts, weights: Counts) -> float:
    return float((values * weights).sum() / weights.sum()) if len(values) else math.nan


def _by_score(y: Counts, p: Counts, w: Counts) -> tuple[Counts, Counts]:
    """Weights of positives and of negatives at each distinct score, ascending."""
    _, place = np.unique(p, return_inverse=True)
    positives = np.bincount(place, weights=y * w).astype(np.float64)
    return positives, np.bincount(place, weights=(1.0 - y) * w).astype(np.float64)
