"""What any learner can be given around it: calibration, and correction for uneven classes.

Options of every kind, taken from its spec before the kind sees the rest:

    LearnerSpec("fraud", "logistic", options={"keep": 0.1, "calibrate": True})
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from online_models.export.graph import Graph
from online_models.learners.blending import Blend
from online_models.learners.learner import Learner, Reaction
from online_models.learners.logits import NARROW, logit, sigmoid
from online_models.learners.options import AROUND, PRIOR_STRENGTH, options
from online_models.samples.reservoirs import Uniform
from schemas.declare import DeclarationError, LearnerSpec


@dataclass(frozen=True)
class Wrapping:
    """`calibrate`: Platt's sigmoid over the logit, learned online. `keep`: the share of negatives
    that is learned from. `positives`: the weight of a positive. `rehearse`: how many kept positives
    are learned again with a positive or a kept negative (in the mean), out of `kept` of them.

    All but `calibrate` tilt the classes, and the probability is corrected for that.
    """

    calibrate: bool = False
    keep: float = 1.0
    positives: float = 1.0
    rehearse: float = 0.0
    kept: int = 500

    @property
    def tilt(self) -> float:
        """Logarithm of how many times too large the odds come out."""
        return math.log((self.positives + self.rehearse) / self.keep)

    @property
    def resamples(self) -> bool:
        """Whether a learner sees anything but each example once."""
        return (self.keep, self.positives, self.rehearse) != (1.0, 1.0, 0.0)

    def tilted(self, prior: float) -> float:
        """The prior as a learner of tilted classes sees it."""
        return sigmoid(logit(prior) + self.tilt)


def wrapping(spec: LearnerSpec) -> tuple[Wrapping, LearnerSpec]:
    """What a spec asks for around the learner, and the spec without it.

    Raises DeclarationError for a share or a number that makes no sense, and around a stack, which
    blends what its parts say as it is.
    """
    asked = {name: spec.options[name] for name in AROUND if name in spec.options}
    if asked and spec.kind == "stack":
        raise DeclarationError(
            f"learner {spec.name!r}: {', '.join(asked)} around a stack; expected around its parts"
        )
    left = {name: value for name, value in spec.options.items() if name not in AROUND}
    return options(replace(spec, options=asked), Wrapping), replace(spec, options=left)


class Calibrated:
    """A learner behind sigmoid(a · logit(p) + b); `Learner` says what its methods do.

    Platt, *Probabilistic Outputs for Support Vector Machines* (1999), learned from what the
    learner says of an example before it learns from it.
    """

    def __init__(self, inner: Learner) -> None:
        self.name = inner.name
        self.examples = 0
        self._inner = inner
        self._platt = Blend(1)

    def predict(self, vector: Sequence[float]) -> float:
        """See `Learner.predict`."""
        return self._platt.score([self._inner.predict(vector)])

    def learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> None:
        """See `Learner.learn`."""
        self.score_then_learn(vector, label, weight)

    def score_then_learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> float:
        """See `Learner.score_then_learn`."""
        said = [self._inner.score_then_learn(vector, label, weight)]
        probability = self._platt.score(said)
        if weight:
            self._platt.learn(said, bool(label), weight)
            self.examples += 1
        return probability

    def export(self) -> bytes:
        """The learner's graph and the sigmoid over it."""
        data = self._inner.export()
        graph = Graph.like(self.name, data)
        return graph.finish(self._platt.export(graph, [graph.embed(data)]))

    def react(self, reaction: str) -> bool:
        """The learner reacts; after a reset the sigmoid starts anew."""
        reset = Reaction(reaction) is Reaction.RESET
        if reset:
            self._platt = Blend(1)
        return self._inner.react(reaction) or reset


class Resampled:
    """A learner that sees the classes tilted, and whose odds are divided by the tilt.

    Undersampling as `river.imblearn.RandomUnderSampler` has it, the correction after Elkan, *The
    Foundations of Cost-Sensitive Learning* (2001), theorem 2. Rehearsed positives come out of a
    uniform reservoir of all positives, so that old ones are not forgotten. The learner inside
    must have been made for the tilted prior.
    """

    def __init__(self, inner: Learner, chosen: Wrapping, prior: float, seed: int) -> None:
        self.name = inner.name
        self.examples = 0
        self._inner = inner
        self._chosen = chosen
        self._rng = np.random.default_rng(seed)
        self._reservoir: Uniform[tuple[float, ...]] = Uniform(chosen.kept, seed)
        self._positives, self._total = PRIOR_STRENGTH * prior, PRIOR_STRENGTH

    def predict(self, vector: Sequence[float]) -> float:
        """See `Learner.predict`."""
        return sigmoid(logit(self._inner.predict(vector)) - self._chosen.tilt)

    def learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> None:
        """See `Learner.learn`."""
        self.score_then_learn(vector, label, weight)

    def score_then_learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> float:
        """See `Learner.score_then_learn`."""
        said = self._inner.score_then_learn(vector, label, weight * self._share(label, weight))
        if weight:
            self.examples += 1
            self._rehearse(vector, label == 1, weight)
        return sigmoid(logit(said) - self._chosen.tilt)

    def export(self) -> bytes:
        """The learner's graph, its logit moved back by the tilt."""
        data = self._inner.export()
        graph = Graph.like(self.name, data)
        logits = graph.logit(graph.embed(data), NARROW)
        return graph.finish(
            graph.add("Sigmoid", graph.add("Sub", logits, graph.scalar(self._chosen.tilt)))
        )

    def react(self, reaction: str) -> bool:
        """The learner reacts; the positives that are kept stay."""
        return self._inner.react(reaction)

    def _share(self, label: float, weight: float) -> float:
        if label == 1:
            return self._chosen.positives
        if label == 0 and 0 < weight < math.inf and self._chosen.keep < 1:
            return float(self._rng.random() < self._chosen.keep)
        return 1.0

    def _rehearse(self, vector: Sequence[float], positive: bool, weight: float) -> None:
        """Learns kept positives again, as many as make `rehearse` for every positive so far."""
        if not self._chosen.rehearse:
            return
        self._total += weight
        if positive:
            self._positives += weight
            self._reservoir.extend([tuple(vector)])
        expected = self._chosen.rehearse * weight * self._positives / self._total
        for _ in range(int(self._rng.poisson(expected))):
            kept = self._reservoir.items
            if kept:
                self._inner.learn(kept[int(self._rng.integers(len(kept)))], 1.0)
