"""Logistic regression over logits, learned online: what a stack and Platt's calibration share.

The extended Kalman filter for a logistic observation (Fahrmeir, *Posterior Mode Estimation by
Extended Kalman Filtering*, 1992): every example is a Newton step, so there is no rate to choose.
The weights walk at random by `drift` an example, so that it never stops learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from online_models.export.graph import Graph
from online_models.learners.logits import NARROW, logit, sigmoid

F8 = NDArray[np.float64]

SPREAD = 0.05
"""Variance of each weight before the first example: they start close to a plain mean."""

DRIFT = 1e-7
"""Variance that each weight gains with an example."""


class Blend:
    """sigmoid(sum of weight · logit(p) + intercept); starts as the mean of the logits."""

    def __init__(self, count: int, spread: float = SPREAD, drift: float = DRIFT) -> None:
        if count < 1:
            raise ValueError(f"{count} probabilities to blend; expected at least 1")
        self._weights = np.append(np.full(count, 1.0 / count), 0.0)
        self._covariance = np.eye(count + 1) * spread
        self._drift = drift

    @property
    def weights(self) -> list[float]:
        """One for each probability, then the intercept."""
        weights: list[float] = self._weights.tolist()
        return weights

    def score(self, probabilities: Sequence[float]) -> float:
        """The blended probability."""
        return sigmoid(float(self._weights @ self._inputs(probabilities)))

    def learn(self, probabilities: Sequence[float], positive: bool, weight: float = 1.0) -> None:
        """One step of the filter; the weight multiplies the information of the example."""
        x = self._inputs(probabilities)
        p = sigmoid(float(self._weights @ x))
        self._covariance.ravel()[:: len(x) + 1] += self._drift
        spread = self._covariance @ x
        information = weight * max(p * (1.0 - p), NARROW)
        gain = spread / (1.0 + information * float(x @ spread))
        self._covariance -= information * np.outer(gain, spread)
        self._weights = self._weights + gain * (weight * (positive - p))

    def export(self, graph: Graph, probabilities: Sequence[str]) -> str:
        """The blended probability [n] of the probabilities [n] in the graph."""
        total = graph.scalar(self.weights[-1])
        for weight, probability in zip(self.weights, probabilities, strict=False):
            part = graph.add("Mul", graph.logit(probability, NARROW), graph.scalar(weight))
            total = graph.add("Add", total, part)
        return graph.add("Sigmoid", total)

    def _inputs(self, probabilities: Sequence[float]) -> F8:
        if len(probabilities) != len(self._weights) - 1:
            raise ValueError(
                f"{len(probabilities)} probabilities; expected {len(self._weights) - 1}"
            )
        return np.array([*map(logit, probabilities), 1.0])
