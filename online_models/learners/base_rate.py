"""The rate of positives so far: what any other learner has to beat, and the answer at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from online_models.export.graph import Graph
from online_models.learners.encoding import Inputs, inputs
from online_models.learners.learner import EncodedLearner
from online_models.learners.options import PRIOR_STRENGTH, options
from schemas.declare import Domain, LearnerSpec


@dataclass(frozen=True)
class BaseRateOptions:
    """`strength` is how many examples the domain's prior is worth (a beta prior)."""

    strength: float = PRIOR_STRENGTH


class BaseRate(EncodedLearner[None]):
    """The running rate, starting from the prior; an example of weight w counts as w examples."""

    def __init__(self, name: str, seen: Inputs, prior: float, chosen: BaseRateOptions) -> None:
        super().__init__(name)
        self._inputs = seen
        self._positives = prior * chosen.strength
        self._total = chosen.strength

    def _see(self, vector: Sequence[float]) -> None:
        self._inputs.check(vector)

    def _score(self, seen: None) -> float:
        return self._positives / self._total

    def _update(self, seen: None, positive: bool, weight: float) -> None:
        self._total += weight
        if positive:
            self._positives += weight

    def export(self) -> bytes:
        """A graph that gives the rate n times."""
        graph = Graph(self.name, self._inputs.width)
        return graph.finish(graph.repeated(self._positives / self._total))


def make(spec: LearnerSpec, domain: Domain, seed: int) -> BaseRate:
    """The base rate of a domain; nothing in it is random."""
    seen = inputs(domain, spec.columns)
    return BaseRate(spec.name, seen, domain.prior, options(spec, BaseRateOptions))
