"""How good probabilities are: over arrays (exact), over a stream (bounded memory), by window.

Log loss clips probabilities to [CLIP, 1 - CLIP], so that one certain and wrong answer costs 34.5
and not infinity. ROC AUC and average precision are NaN where one of the classes is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLIP = 1e-15
"""As `river.metrics.LogLoss` and most others have it."""

CALIBRATION_BINS = 15
"""Equal widths of probability (Guo et al., On Calibration of Modern Neural Networks, 2017)."""

SCORE_BINS = 2048
"""Of a Tally: equal widths of the logit within ±LOGIT_REACH."""

LOGIT_REACH = 16.0

Counts = NDArray[np.float64]
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Measures:
    """Measures of one set of examples; `rate` is their share of positives."""

    examples: int
    rate: float
    log_loss: float
    brier: float
    roc_auc: float
    average_precision: float
    calibration_error: float

    def finite(self) -> dict[str, float]:
        """By name, without those that are NaN: fit for a snapshot's metadata."""
        return {name: value for name, value in asdict(self).items() if math.isfinite(value)}


@dataclass(frozen=True, slots=True)
class Window:
    """Measures of the examples with start <= time < end, in milliseconds."""

    start: int
    end: int
    measures: Measures


NOTHING = Measures(0, *[math.nan] * 6)


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of -log of the probability given to what happened, in nats; shapes [n] and [n].

    This and the next four raise ValueError for labels other than 0 and 1, probabilities outside
    [0, 1], or unequal lengths, and give NaN for n = 0.
    """
    y, p = _checked(labels, probabilities)
    clipped = np.clip(p, CLIP, 1.0 - CLIP)
    return _mean(np.where(y == 1.0, -np.log(clipped), -np.log1p(-clipped)))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared difference of probability and label."""
    y, p = _checked(labels, probabilities)
    return _mean((p - y) ** 2)


def roc_auc(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The share of pairs of a positive and a negative that are ranked right; ties count half."""
    return _roc_auc(*_by_score(*_checked(labels, probabilities)))


def average_precision(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Sum over the thresholds of precision times the gain in recall."""
    return _average_precision(*_by_score(*_checked(labels, probabilities)))


def calibration_error(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over the bins, by size, of |mean probability - share of positives| (ECE)."""
    y, p = _checked(labels, probabilities)
    bins = np.minimum((p * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=p - y)
    return float(np.abs(gaps).sum() / len(y)) if len(y) else math.nan


def measure(labels: ArrayLike, probabilities: ArrayLike) -> Measures:
    """All of them, exact; raises ValueError as they do."""
    y, p = _checked(labels, probabilities)
    positives, negatives = _by_score(y, p)
    return Measures(
        examples=len(y),
        rate=_mean(y),
        log_loss=log_loss(y, p),
        brier=brier(y, p),
        roc_auc=_roc_auc(positives, negatives),
        average_precision=_average_precision(positives, negatives),
        calibration_error=calibration_error(y, p),
    )


def prequential(
    times: ArrayLike, labels: ArrayLike, probabilities: ArrayLike, window: int
) -> list[Window]:
    """Measures by window of event time; windows begin at multiples of `window` since the epoch.

    Windows without examples are left out. Times in milliseconds, all arrays of shape [n], in any
    order. Raises ValueError as `measure` does.
    """
    y, p = _checked(labels, probabilities)
    starts = np.asarray(times, dtype=np.int64) // window * window
    if starts.shape != y.shape:
        raise ValueError(f"{starts.shape} times and {y.shape} labels; expected as many")
    if not len(y):
        return []
    order = np.argsort(starts, kind="stable")
    begins, first = np.unique(starts[order], return_index=True)
    parts = np.split(order, first[1:])
    return [
        Window(int(start), int(start) + window, measure(y[part], p[part]))
        for start, part in zip(begins, parts, strict=True)
    ]


class Recent:
    """The newest `size` examples of a stream, measured exactly when asked."""

    def __init__(self, size: int) -> None:
        self._labels = np.zeros(size)
        self._probabilities = np.zeros(size)
        self._seen = 0

    def update(self, label: float, probability: float) -> None:
        """Takes one example in; the oldest goes."""
        place = self._seen % len(self._labels)
        self._labels[place] = label
        self._probabilities[place] = probability
        self._seen += 1

    def measures(self) -> Measures:
        """Of the examples held; raises ValueError as `measure` does."""
        held = min(self._seen, len(self._labels))
        return measure(self._labels[:held], self._probabilities[:held])


class _Answer(NamedTuple):
    """One example as a Tally counts it; its bins are those of the logit and of the probability."""

    positive: bool
    place: int
    bin: int
    gap: float
    log_loss: float
    brier: float


def _answer(label: float, probability: float) -> _Answer:
    if label not in (0, 1) or not 0.0 <= probability <= 1.0:
        raise ValueError(f"label {label!r} and probability {probability!r}; expected 0 or 1")
    clipped = min(max(probability, CLIP), 1.0 - CLIP)
    yes, no = math.log(clipped), math.log1p(-clipped)
    place = int((yes - no + LOGIT_REACH) * (SCORE_BINS / (2 * LOGIT_REACH)))
    gap = probability - label
    return _Answer(
        label == 1,
        min(max(place, 0), SCORE_BINS - 1),
        min(int(probability * CALIBRATION_BINS), CALIBRATION_BINS - 1),
        gap,
        -yes if label else -no,
        gap**2,
    )


class Tally:
    """A stream's measures in bounded memory; two of them add up to that of both streams.

    Scores are counted in bins of the logit, so ROC AUC and average precision treat two scores in
    one bin (at most 1.6 % apart in their odds) as equal; the other measures are exact.
    """

    def __init__(self) -> None:
        self.examples = 0
        self._log_loss = 0.0
        self._brier = 0.0
        self._negatives = [0] * SCORE_BINS
        self._positives = [0] * SCORE_BINS
        self._gaps = [0.0] * CALIBRATION_BINS

    def update(self, label: float, probability: float) -> None:
        """Takes one example in; raises ValueError for no label or no probability."""
        self.count(_answer(label, probability))

    def count(self, answer: _Answer) -> None:
        """Takes in an example that is worked out already."""
        positive, place, bin_, gap, log_loss, brier = answer
        (self._positives if positive else self._negatives)[place] += 1
        self._gaps[bin_] += gap
        self._log_loss += log_loss
        self._brier += brier
        self.examples += 1

    def __add__(self, other: Tally) -> Tally:
        both = Tally()
        both.examples = self.examples + other.examples
        both._log_loss = self._log_loss + other._log_loss
        both._brier = self._brier + other._brier
        both._negatives = _added(self._negatives, other._negatives)
        both._positives = _added(self._positives, other._positives)
        both._gaps = _added(self._gaps, other._gaps)
        return both

    def measures(self) -> Measures:
        """Of all examples so far."""
        if not self.examples:
            return NOTHING
        positives = np.array(self._positives, dtype=np.float64)
        negatives = np.array(self._negatives, dtype=np.float64)
        return Measures(
            examples=self.examples,
            rate=float(positives.sum() / self.examples),
            log_loss=self._log_loss / self.examples,
            brier=self._brier / self.examples,
            roc_auc=_roc_auc(positives, negatives),
            average_precision=_average_precision(positives, negatives),
            calibration_error=sum(map(abs, self._gaps)) / self.examples,
        )


class Slices:
    """A stream's measures overall and by slice, as `slice=value`; prequential, since its start.

    Of a slice with more than `MOST` values the later ones are counted together, as `slice=other`.
    """

    MOST = 64

    def __init__(self) -> None:
        self.overall = Tally()
        self.tallies: dict[str, Tally] = {}
        self._values: dict[str, int] = {}

    def update(self, slices: Mapping[str, str], label: float, probability: float) -> None:
        """Takes one example in; raises ValueError as `Tally.update` does."""
        answer = _answer(label, probability)
        self.overall.count(answer)
        for name, value in slices.items():
            self._tally(name, value).count(answer)

    def _tally(self, name: str, value: str) -> Tally:
        key = f"{name}={value}"
        found = self.tallies.get(key)
        if found is None:
            known = self._values.get(name, 0)
            if known >= self.MOST:
                key = f"{name}=other"
            self._values[name] = known + 1
            found = self.tallies.setdefault(key, Tally())
        return found


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Counts, Counts]:
    y = np.asarray(labels, dtype=np.float64)
    p = np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise ValueError(f"labels {y.shape} and probabilities {p.shape}; expected [n] and [n]")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("labels other than 0 and 1")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError("probabilities outside [0, 1]")
    return y, p


def _mean(values: Counts) -> float:
    return float(values.mean()) if len(values) else math.nan


def _by_score(y: Counts, p: Counts) -> tuple[Counts, Counts]:
    """Positives and negatives at each distinct score, ascending."""
    _, place = np.unique(p, return_inverse=True)
    total = np.bincount(place).astype(np.float64)
    positives = np.bincount(place, weights=y).astype(np.float64)
    return positives, total - positives


def _roc_auc(positives: Counts, negatives: Counts) -> float:
    """From counts by ascending score: the share of pairs in the right order, ties count half."""
    pairs = float(positives.sum()) * float(negatives.sum())
    if not pairs:
        return math.nan
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / pairs)


def _average_precision(positives: Counts, negatives: Counts) -> float:
    """From counts by ascending score: sum of precision times the gain in recall."""
    total = float(positives.sum())
    if not total or not negatives.sum():
        return math.nan
    hits = np.cumsum(positives[::-1])
    taken = np.cumsum((positives + negatives)[::-1])
    precision = np.divide(hits, taken, out=np.zeros(len(hits)), where=taken > 0)
    return float((precision * positives[::-1]).sum() / total)


def _added(a: Sequence[Number], b: Sequence[Number]) -> list[Number]:
    return [x + y for x, y in zip(a, b, strict=True)]
