"""Logistic regression that learns online: River's scaler, curves, River's losses and AdaGrad.

Figures (flights, asked one hour before departure, labels at landing, scored when asked by a
snapshot at most 250 examples old, ROC AUC October to December): SGD 0.001 on straight columns
0.753, AdaGrad on straight columns 0.766, AdaGrad with curves 0.772. SGD at a constant rate follows
the newest landings, whose labels are of one kind on a bad day; AdaGrad's falling rates do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from river import optim

from online_models.export.graph import Graph
from online_models.export.parts import Scaling, add_categories, add_curves
from online_models.learners.buckets import Buckets
from online_models.learners.curves import CLIP, PLACES, STEP, Curves
from online_models.learners.encoding import Inputs, inputs, signed_log
from online_models.learners.focal import Focal
from online_models.learners.learner import EncodedLearner, Reaction
from online_models.learners.linear import Linear, Scaler
from online_models.learners.options import options
from schemas.declare import Domain, LearnerSpec

F8 = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LogisticOptions:
    """`rate` and `eps` are AdaGrad's, `l2` is River's penalty.

    `focal` above 0 is the gamma of a focal loss in the logistic one's place, `beta` its shift.
    """

    rate: float = 0.015
    eps: float = 1.0
    l2: float = 0.0
    focal: float = 0.0
    beta: float = 1.0

    def loss(self) -> optim.losses.BinaryLoss:
        """The focal loss, or River's own logistic loss."""
        return Focal(self.focal, self.beta) if self.focal else optim.losses.Log()


class _Seen(NamedTuple):
    """Rows [n, …] of a batch: what the scaler learns, and which weights are touched, how much."""

    logs: F8
    known: NDArray[np.bool_]
    touched: Ints
    value: F8


class Logistic(EncodedLearner[_Seen]):
    """Curves of scaled signed logarithms, missing flags and one-hot buckets; linear in the logit.

    An example's numbers are scaled by what was known before it; the scaler learns them after the
    model has. The weight of an example multiplies its gradient, not its part in the scaling.
    The intercept does not learn: each category's buckets sum to 1, they are the one that does.
    """

    def __init__(self, name: str, seen: Inputs, prior: float, chosen: LogisticOptions) -> None:
        super().__init__(name)
        self._inputs = seen
        self._scaler = Scaler(len(seen.numerics))
        self._curves = Curves(len(seen.numerics))
        self._buckets = Buckets(seen, self._curves.size)
        self._linear = Linear(self._buckets.end, chosen.rate, chosen.eps, chosen.l2)
        self._loss = chosen.loss()
        focal = self._loss if isinstance(self._loss, Focal) else None
        self._intercept = focal.link(prior) if focal else math.log(prior / (1.0 - prior))

    def score_then_learn_many(
        self, vectors: Sequence[Sequence[float]], labels: Sequence[float], weights: Sequence[float]
    ) -> list[float]:
        """See `InBatches`: scaled and placed together, since neither needs to know a label."""
        for label, weight in zip(labels, weights, strict=True):
            self._check(label, weight)
        if not all(weights):
            return super().score_then_learn_many(vectors, labels, weights)
        whole, logs, known = self._read(vectors)
        index, value = self._place(whole, self._scaler.learn(logs, known), known)
        said = []
        for row, by, label, weight in zip(index, value, labels, weights, strict=True):
            logit = self._linear.dot(row, by) + self._intercept
            said.append(self._loss.mean_func(logit))
            self._linear.step(row, by, weight * self._loss.gradient(bool(label), logit))
        self.examples += len(said)
        return said

    def _see(self, vector: Sequence[float]) -> _Seen:
        whole, logs, known = self._read([vector])
        return _Seen(logs, known, *self._place(whole, self._scaler.scaled(logs), known))

    def _read(self, vectors: Sequence[Sequence[float]]) -> tuple[F8, F8, NDArray[np.bool_]]:
        """The vectors, their numbers' signed logarithms (0 where unknown), and which are known."""
        for vector in vectors:
            self._inputs.check(vector)
        count = len(self._inputs.numerics)
        whole = np.array(vectors, np.float64).reshape(-1, self._inputs.width)
        known = np.isfinite(whole[:, :count])
        logs = signed_log(whole[:, :count])
        logs[~known] = 0.0
        return whole, logs, known

    def _place(self, whole: F8, scaled: F8, known: NDArray[np.bool_]) -> tuple[Ints, F8]:
        curved = PLACES * scaled.shape[1]
        index = np.empty((len(whole), curved + len(self._inputs.categories)), np.int64)
        value = np.empty(index.shape)
        self._curves.place(scaled, known, index[:, :curved], value[:, :curved])
        index[:, curved:] = self._buckets.places(whole)
        value[:, curved:] = index[:, curved:] != self._buckets.none
        return index, value

    def _score(self, seen: _Seen) -> float:
        probability: float = self._loss.mean_func(self._logit(seen))
        return probability

    def _logit(self, seen: _Seen) -> float:
        return self._linear.dot(seen.touched[0], seen.value[0]) + self._intercept

    def _update(self, seen: _Seen, positive: bool, weight: float) -> None:
        gradient = weight * self._loss.gradient(positive, self._logit(seen))
        self._linear.step(seen.touched[0], seen.value[0], gradient)
        self._scaler.learn(seen.logs, seen.known)

    def _react(self, reaction: Reaction) -> bool:
        """Forgets, or begins AdaGrad's rates anew, so that new examples count for more."""
        if reaction is Reaction.RESET:
            self._scaler = Scaler(len(self._inputs.numerics))
            self._linear.forget()
        elif reaction is Reaction.RAISE_RATE:
            self._linear.raise_rate()
        return reaction in {Reaction.RESET, Reaction.RAISE_RATE}

    def export(self) -> bytes:
        """Scaling, curves and buckets as look-ups in tables, a sum and a sigmoid."""
        seen, weights = self._inputs, self._linear.weights
        graph = Graph(self.name, seen.width)
        clean, known = graph.cleaned(seen.first_category)
        values, missing = self._curves.tables(weights)
        curves = add_curves(graph, clean, known, self._scaling(), values, missing)
        logit = graph.add("Add", curves, graph.scalar(self._intercept))
        if seen.categories:
            tables = self._buckets.tables(weights)
            logit = graph.add(
                "Add", logit, add_categories(graph, clean, seen.first_category, tables)
            )
        loss = self._loss
        focal = isinstance(loss, Focal)
        return graph.finish(loss.export(graph, logit) if focal else graph.add("Sigmoid", logit))

    def _scaling(self) -> Scaling:
        """Where on the grid of the export a number lies; in its middle, where nothing varied."""
        deviations = np.sqrt(self._scaler.variances)
        varied = deviations > 0
        return Scaling(
            mean=self._scaler.means * varied,
            factor=np.divide(1.0 / STEP, deviations, out=np.zeros(len(varied)), where=varied),
            origin=CLIP / STEP,
        )


def make(spec: LearnerSpec, domain: Domain, seed: int) -> Logistic:
    """Logistic regression for a domain; nothing in it is random."""
    seen, chosen = inputs(domain, spec.columns), options(spec, LogisticOptions)
    return Logistic(spec.name, seen, domain.prior, chosen)
