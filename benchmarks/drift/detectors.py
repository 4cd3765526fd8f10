"""The detectors that are compared: a stream in, the alarms that open out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import drift as river_drift

from benchmarks.drift.tally import Alarm
from benchmarks.drift.worlds import Stream
from online_models.drift import ArmWatch, Budget, PositivesWatch, Watch
from online_models.drift.columns import label_columns, loss, number_of_tests
from online_models.drift.packets import Answer
from schemas.declare import DAY

HEADRACE, COLUMNS, ALWAYS, NEVER = "headrace", "river ADWIN, columns", "always", "never"


def budget_of(stream: Stream) -> Budget:
    """The whole budget for what is watched here: columns, label, and the loss of one arm."""
    return Budget(stream.drift, number_of_tests(stream.columns), arms=1)


def headrace(stream: Stream, seed: int) -> list[Alarm]:
    """Times of the alarms that open, as flows/drift would."""
    budget, known = budget_of(stream), stream.known
    none: list[Any] = [()] * len(stream.times)
    told = Watch("bench", stream.columns, budget, seed).take(stream.times, stream.values, none)
    labels = Watch("bench", label_columns(), budget, seed)
    came, label = stream.labelled[known], stream.labels[known]
    told += labels.take(came, label[:, None], none[: len(known)], stream.weights)
    arm = ArmWatch("bench", "served", budget, seed)
    rows = np.column_stack([label, stream.scores[known], stream.weights]).tolist()
    answers = [
        Answer(at, y, p, (), weight) for at, (y, p, weight) in zip(came.tolist(), rows, strict=True)
    ]
    told += arm.take(answers) + PositivesWatch("bench", budget, seed).take(answers)
    return sorted((r["time"], r["kind"]) for r in told if r["state"] == "opened")


def river_on_loss(make: Callable[[], Any]) -> Callable[[Stream, int], list[Alarm]]:
    """A detector of River on the served loss, label by label."""

    def run(stream: Stream, seed: int) -> list[Alarm]:
        known = stream.known
        rows = zip(stream.labels[known].tolist(), stream.scores[known].tolist(), strict=True)
        losses = np.array([loss(label, p) for label, p in rows])
        return _fires(make(), losses, stream.labelled[known])

    return run


def river_on_features(stream: Stream, seed: int) -> list[Alarm]:
    """River's ADWIN at its defaults on every column; what is unknown is passed over."""
    out: list[Alarm] = []
    for i in range(len(stream.columns)):
        known = ~np.isnan(stream.values[:, i])
        out += _fires(river_drift.ADWIN(), stream.values[known, i], stream.times[known])
    return sorted(out)


def _fires(detector: Any, values: NDArray[np.float64], times: NDArray[np.int64]) -> list[Alarm]:
    out = []
    for place, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            out.append((int(times[place]), ""))
    return out


def always(stream: Stream, seed: int) -> list[Alarm]:
    """Fires every day."""
    first, last = int(stream.times[0]), int(stream.times[-1])
    return [(time, "") for time in range(first, last, DAY)]


def never(stream: Stream, seed: int) -> list[Alarm]:
    """Does not fire."""
    return []


DETECTORS: dict[str, Callable[[Stream, int], list[Alarm]]] = {
    HEADRACE: headrace,
    "river ADWIN, loss": river_on_loss(river_drift.ADWIN),
    "river PageHinkley, loss": river_on_loss(river_drift.PageHinkley),
    COLUMNS: river_on_features,
    ALWAYS: always,
    NEVER: never,
}
"""River's at their defaults."""
