"""How good the probabilities of a stream are, in bounded memory, by `evaluation`'s measures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from online_models.evaluation import (
    CALIBRATION_BINS,
    CLIP,
    NOTHING,
    Measures,
    area,
    measure,
    precision,
    weight_of,
)

ALL = ""
"""Stands for no slice."""

SCORE_BINS = 2048
"""Of a Tally: equal widths of the logit within ±LOGIT_REACH."""

LOGIT_REACH = 16.0


class Recent:
    """The newest `size` examples of a stream, measured exactly when asked."""

    def __init__(self, size: int) -> None:
        self._labels = np.zeros(size)
        self._probabilities = np.zeros(size)
        self._weights = np.ones(size)
        self._seen = 0

    def update(self, label: float, probability: float, weight: float = 1.0) -> None:
        """Takes one example in; the oldest goes."""
        place = self._seen % len(self._labels)
        self._labels[place] = label
        self._probabilities[place] = probability
        self._weights[place] = weight
        self._seen += 1

    def measures(self) -> Measures:
        """Of the examples held; raises ValueError as `measure` does."""
        held = min(self._seen, len(self._labels))
        return measure(self._labels[:held], self._probabilities[:held], self._weights[:held])


class _Answer(NamedTuple):
    """One example as a Tally counts it; its bins are those of the logit and of the probability.

    Gap, log loss and Brier score are multiplied by the weight. A weight of 1 is an int, as bins of
    ints are quicker to pickle.
    """

    positive: bool
    place: int
    bin: int
    weight: float
    gap: float
    log_loss: float
    brier: float


def _answer(label: float, probability: float, weight: float) -> _Answer:
    if label not in (0, 1) or not 0.0 <= probability <= 1.0:
        raise ValueError(f"label {label!r} and probability {probability!r}; expected 0 or 1")
    if not 0.0 < weight < math.inf:
        raise ValueError(f"weight {weight!r}; expected above 0 and finite")
    clipped = min(max(probability, CLIP), 1.0 - CLIP)
    yes, no = math.log(clipped), math.log1p(-clipped)
    place = int((yes - no + LOGIT_REACH) * (SCORE_BINS / (2 * LOGIT_REACH)))
    gap = probability - label
    return _Answer(
        label == 1,
        min(max(place, 0), SCORE_BINS - 1),
        min(int(probability * CALIBRATION_BINS), CALIBRATION_BINS - 1),
        1 if weight == 1.0 else weight,
        gap * weight,
        (-yes if label else -no) * weight,
        gap**2 * weight,
    )


class Tally:
    """A stream's measures in bounded memory.

    Scores are counted in bins of the logit, so ROC AUC and average precision treat two scores in
    one bin (at most 1.6 % apart in their odds) as equal; the other measures are exact.
    """

    def __init__(self) -> None:
        self.examples = 0
        self._squares: float = 0
        self._log_loss = 0.0
        self._brier = 0.0
        self._negatives: list[float] = [0] * SCORE_BINS
        self._positives: list[float] = [0] * SCORE_BINS
        self._gaps = [0.0] * CALIBRATION_BINS

    def update(self, label: float, probability: float, weight: float = 1.0) -> None:
        """Takes one example in; raises ValueError for no label, no probability or no weight."""
        self.count(_answer(label, probability, weight))

    def count(self, answer: _Answer) -> None:
        """Takes in an example that is worked out already."""
        positive, place, bin_, weight, gap, log_loss, brier = answer
        (self._positives if positive else self._negatives)[place] += weight
        self._gaps[bin_] += gap
        self._log_loss += log_loss
        self._brier += brier
        self._squares += weight * weight
        self.examples += 1

    def measures(self) -> Measures:
        """Of all examples so far."""
        if not self.examples:
            return NOTHING
        positives = np.array(self._positives, dtype=np.float64)
        negatives = np.array(self._negatives, dtype=np.float64)
        total = float(positives.sum() + negatives.sum())
        return Measures(
            examples=self.examples,
            rate=float(positives.sum() / total),
            log_loss=self._log_loss / total,
            brier=self._brier / total,
            roc_auc=area(positives, negatives),
            average_precision=precision(positives, negatives),
            calibration_error=sum(map(abs, self._gaps)) / total,
            effective=total**2 / self._squares,
        )


class Line(NamedTuple):
    """One arm in one window (its start in ms) and slice (`slice=value`, or ALL)."""

    arm: str
    window: int
    slice: str
    measures: Measures


def lines(
    scores: Iterable[Mapping[str, Any]], window: int, slices: Mapping[str, str]
) -> list[Line]:
    """Prequential measures of each arm, from records of `score.avsc`, by when the labels came.

    Windows start at multiples of `window` ms; `slices` gives the slice of an example's id.
    A copy of a score, which a crash may leave in the log, counts once.
    """
    tallies: dict[tuple[str, int, str], Tally] = {}
    seen: set[tuple[str, int]] = set()
    for score in scores:
        if (score["learner"], score["version"]) in seen:
            continue
        seen.add((score["learner"], score["version"]))
        start = score["time"] // window * window
        key = (score["learner"], start, slices.get(score["id"], ALL))
        tally = tallies.setdefault(key, Tally())
        tally.update(score["label"], score["probability"], weight_of(score))
    return [Line(*key, tallies[key].measures()) for key in sorted(tallies)]


class Slices:
    """A stream's measures overall and by slice, as `slice=value`; prequential, since its start.

    Of a slice with more than `MOST` values the later ones are counted together, as `slice=other`.
    """

    MOST = 64

    def __init__(self) -> None:
        self.overall = Tally()
        self.tallies: dict[str, Tally] = {}
        self._values: dict[str, int] = {}

    def update(
        self, slices: Mapping[str, str], label: float, probability: float, weight: float = 1.0
    ) -> None:
        """Takes one example in; raises ValueError as `Tally.update` does."""
        answer = _answer(label, probability, weight)
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
