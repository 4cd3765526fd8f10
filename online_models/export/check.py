"""Runs a graph and holds it against the learner that it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from online_models.runtime import options, ort


class GraphError(ValueError):
    """Bytes that are no runnable graph; the message is the checker's or the runtime's."""


class Predicts(Protocol):
    """What a graph can be held against."""

    def predict(self, vector: Sequence[float]) -> float:
        """The probability."""
        ...


def open_graph(graph: bytes) -> ort.InferenceSession:
    """A session of one thread on the CPU; raises GraphError."""
    try:
        onnx.checker.check_model(graph)
        return ort.InferenceSession(graph, options(4), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors share no base class
        raise GraphError(f"{type(error).__name__}: {error}") from error


def run_graph(graph: bytes, vectors: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Probabilities [n] of the vectors [n, width]; raises GraphError."""
    session = open_graph(graph)
    given = np.asarray(vectors, dtype=np.float64)
    probabilities: NDArray[np.float64] = session.run(["probability"], {"vector": given})[0]
    return probabilities


def check_graph(graph: bytes, learner: Predicts, vectors: Sequence[Sequence[float]]) -> float:
    """The largest difference of probability between the graph and its learner on these vectors.

    NaN where either gives NaN, so that `difference <= limit` refuses it. Raises GraphError where
    the bytes are no graph, ValueError without vectors.
    """
    if not len(vectors):
        raise ValueError("no vectors to check the graph on")
    expected = np.array([learner.predict(vector) for vector in vectors])
    return float(np.max(np.abs(run_graph(graph, vectors) - expected)))
