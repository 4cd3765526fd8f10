"""Logistic regression that learns online: River's scaler, curves, River's model and AdaGrad.

Figures (flights, asked one hour before departure, labels at landing, scored when asked by a
snapshot at most 250 examples old, ROC AUC October to December): SGD 0.001 on straight columns
0.753, AdaGrad on straight columns 0.766, AdaGrad with curves 0.772. SGD at a constant rate follows
the newest landings, whose labels are of one kind on a bad day; AdaGrad's falling rates do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from river import linear_model, optim, preprocessing

from online_models.export.graph import Graph
from online_models.export.parts import Scaling, add_categories, add_curves
from online_models.learners.curves import CLIP, STEP, Curves
from online_models.learners.encoding import Encoding, Inputs, inputs
from online_models.learners.focal import Focal
from online_models.learners.learner import EncodedLearner, options
from schemas.declare import DeclarationError, Domain, LearnerSpec


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

    def loss(self) -> Focal | None:
        """The focal loss; None for River's own logistic loss."""
        return Focal(self.focal, self.beta) if self.focal else None


class AdaGrad(optim.AdaGrad):  # type: ignore[misc]
    """River's AdaGrad, number for number, without asking the scheduler again for every weight."""

    def _step_with_dict(
        self, w: MutableMapping[str, float], g: Mapping[str, float]
    ) -> MutableMapping[str, float]:
        rate, eps, squares = self.learning_rate, self.eps, self.g2
        for key, gradient in g.items():
            squares[key] = square = squares[key] + gradient**2
            w[key] -= rate / (square + eps) ** 0.5 * gradient
        return w


class _Seen(NamedTuple):
    numerics: dict[str, float]
    x: dict[str, float]


class Logistic(EncodedLearner[_Seen]):
    """Curves of scaled signed logarithms, missing flags and one-hot buckets; linear in the logit.

    An example's numbers are scaled by what was known before it; the scaler learns them after the
    model has. The weight of an example multiplies its gradient, not its part in the scaling.
    """

    def __init__(self, name: str, seen: Inputs, prior: float, chosen: LogisticOptions) -> None:
        super().__init__(name)
        self._encoding = Encoding(seen)
        self._scaler = preprocessing.StandardScaler()
        # The scaler's dicts would grow when it is asked about a name it has not learned.
        self._scaler.vars.update(dict.fromkeys(seen.numerics, 0.0))
        self._curves = Curves(seen.numerics)
        focal = chosen.loss()
        self._model = linear_model.LogisticRegression(
            AdaGrad(chosen.rate, chosen.eps),
            focal,
            l2=chosen.l2,
            intercept_init=focal.link(prior) if focal else math.log(prior / (1.0 - prior)),
            # Each category's one-hot keys sum to 1: they are the intercept that learns.
            intercept_lr=0.0,
        )

    def _see(self, vector: Sequence[float]) -> _Seen:
        numerics = self._encoding.numerics(vector)
        x = self._curves.transform_one(self._scaler.transform_one(numerics))
        x.update(self._encoding.buckets(vector))
        return _Seen(numerics, x)

    def _score(self, seen: _Seen) -> float:
        probability: float = self._model.predict_proba_one(seen.x)[True]
        return probability

    def _update(self, seen: _Seen, positive: bool, weight: float) -> None:
        self._model.learn_one(seen.x, positive, w=weight)
        self._scaler.learn_one(seen.numerics)

    def export(self) -> bytes:
        """Scaling, curves and buckets as look-ups in tables, a sum and a sigmoid."""
        encoding = self._encoding
        weights = self._model.weights
        graph = Graph(self.name, encoding.inputs.width)
        clean, known = graph.cleaned(encoding.inputs.first_category)
        values, missing = self._curves.tables(weights)
        curves = add_curves(graph, clean, known, self._scaling(), values, missing)
        logit = graph.add("Add", curves, graph.scalar(self._model.intercept))
        if encoding.one_hot:
            tables = [[weights.get(key, 0.0) for key in keys] for keys in encoding.one_hot]
            logit = graph.add(
                "Add", logit, add_categories(graph, clean, encoding.inputs.first_category, tables)
            )
        loss = self._model.loss
        focal = isinstance(loss, Focal)
        return graph.finish(loss.export(graph, logit) if focal else graph.add("Sigmoid", logit))

    def _scaling(self) -> Scaling:
        """Where on the grid of the export a number lies; in its middle, where nothing varied."""
        names = self._encoding.inputs.numerics
        deviations = np.array([self._scaler.vars[name] ** 0.5 for name in names])
        varied = deviations > 0
        return Scaling(
            mean=np.array([self._scaler.means.get(name, 0.0) for name in names]) * varied,
            factor=np.divide(1.0 / STEP, deviations, out=np.zeros(len(names)), where=varied),
            origin=CLIP / STEP,
        )


def make(spec: LearnerSpec, domain: Domain, seed: int) -> Logistic:
    """Logistic regression for a domain; nothing in it is random."""
    seen, chosen = inputs(domain, spec.columns), options(spec, LogisticOptions)
    if chosen.focal < 0:
        raise DeclarationError(f"learner {spec.name!r}: focal {chosen.focal}; expected 0 or more")
    return Logistic(spec.name, seen, domain.prior, chosen)
