"""The stateless challenger: trained from scratch, now and then, on a sample of the stream.

scikit-learn's histogram gradient boosting (after LightGBM, which needs a system library that small
machines lack; the trees are the same). Between two trainings the model stands still.

Trees see numbers as they are and of each category its bucket's number. Rates of positives by bucket
would be finer, but those of its sample's beginning stand on few examples: on flights they made it
worse (docs/learners.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from online_models.export.graph import Graph
from online_models.export.parts import add_forest
from online_models.forest import Forest, Growing
from online_models.learners.encoding import Inputs, inputs
from online_models.learners.learner import EncodedLearner, Reaction
from online_models.learners.logits import sigmoid
from online_models.learners.options import PRIOR_STRENGTH, options
from online_models.learners.rates import HUGE
from online_models.samples.reservoirs import Decayed
from schemas.declare import Domain, LearnerSpec

F8 = NDArray[np.float64]
FEWEST = 10
"""Examples of each class below which there is nothing to train on."""


@dataclass(frozen=True)
class ChallengerOptions:
    """When to train, on what, and how much.

    The first training comes after `first` examples, the next when there are `growth` times as
    many, but no later than `every` examples after the last. The sample holds `size` examples, of
    which one that is `half_life` examples older has half the chance. `trees` of at most `leaves`
    leaves with shrinkage `rate`; `share` of the columns may be used by a split.
    """

    first: int = 500
    growth: float = 1.6
    every: int = 20_000
    size: int = 20_000
    half_life: int = 100_000
    trees: int = 100
    leaves: int = 15
    rate: float = 0.08
    l2: float = 5.0
    smallest_leaf: int = 40
    share: float = 0.5


class _Kept(NamedTuple):
    row: bytes  # float32, half the space of a snapshot and a fiftieth of the time to pickle it
    positive: bool
    weight: float


class Challenger(EncodedLearner[F8]):
    """Gradient boosted trees over numbers and bucket numbers; the base rate until trained."""

    def __init__(
        self, name: str, seen: Inputs, prior: float, seed: int, chosen: ChallengerOptions
    ) -> None:
        super().__init__(name)
        self._inputs = seen
        numerics, first = len(seen.numerics), seen.first_category
        self._columns = [*range(numerics), *range(first, seen.width)]
        self._prior = prior
        self._seed = seed
        self._options = chosen
        self._forget()

    def _forget(self) -> None:
        chosen = self._options
        self._kept: Decayed[_Kept] = Decayed(chosen.size, chosen.half_life, self._seed)
        self._positives, self._total = PRIOR_STRENGTH * self._prior, PRIOR_STRENGTH
        self._next = self.examples + chosen.first
        self._start = 0.0
        self._forest: Forest | None = None

    def _see(self, vector: Sequence[float]) -> F8:
        self._inputs.check(vector)
        numbers = np.array(vector, np.float64)[self._columns]
        return np.where(np.abs(numbers) <= HUGE, numbers, np.nan)

    def _score(self, seen: F8) -> float:
        if self._forest is None:
            return self._positives / self._total
        return sigmoid(self._start + self._forest.total(seen))

    def _update(self, seen: F8, positive: bool, weight: float) -> None:
        self._total += weight
        self._positives += weight * positive
        kept = _Kept(seen.astype(np.float32).tobytes(), positive, weight)
        self._kept.extend([kept], [self._kept.seen])
        if self.examples + 1 >= self._next:
            self._train()

    def _react(self, reaction: Reaction) -> bool:
        """Retrains, or forgets sample and trees."""
        if reaction is Reaction.RETRAIN:
            self._train()
        elif reaction is Reaction.RESET:
            self._forget()
        return reaction in {Reaction.RETRAIN, Reaction.RESET}

    def _train(self) -> None:
        seen = self._kept.seen
        later = min(int(seen * (self._options.growth - 1.0)), self._options.every)
        self._next = self.examples + 1 + max(later, 1)
        kept = self._kept.items
        positive = np.array([item.positive for item in kept])
        if min(positive.sum(), len(kept) - positive.sum()) < FEWEST:
            return
        held = np.frombuffer(b"".join(item.row for item in kept), np.float32)
        rows: F8 = held.reshape(len(kept), -1).astype(np.float64)
        rows[:, np.isnan(rows).all(axis=0)] = 0.0  # scikit-learn has no bins for what is unknown
        weights = np.array([item.weight for item in kept])
        self._start, self._forest = _boosted(rows, positive, weights, self._seed, self._options)

    def export(self) -> bytes:
        """The trees as one TreeEnsemble, a sigmoid."""
        graph = Graph(self.name, self._inputs.width)
        if self._forest is None:
            return graph.finish(graph.repeated(self._positives / self._total))
        total = add_forest(graph, graph.known(self._columns, HUGE), self._forest)
        return graph.finish(
            graph.add("Sigmoid", graph.add("Add", total, graph.scalar(self._start)))
        )


def _boosted(
    rows: F8, positive: NDArray[np.bool_], weights: F8, seed: int, chosen: ChallengerOptions
) -> tuple[float, Forest]:
    """The logit to start from, and the trees; on one thread, so that it is the same everywhere."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        learning_rate=chosen.rate,
        max_iter=chosen.trees,
        max_bins=63,
        max_leaf_nodes=chosen.leaves,
        min_samples_leaf=chosen.smallest_leaf,
        l2_regularization=chosen.l2,
        max_features=chosen.share,
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(1):
        # Not where all weigh alike: with weights it sorts a column once for each edge of its bins.
        model.fit(rows, positive, sample_weight=None if np.ptp(weights) == 0 else weights)
        first = float(model.decision_function(rows[:1])[0])
    forest = _as_forest([trees[0].nodes for trees in model._predictors])
    return first - forest.total(rows[0]), forest


def _as_forest(trees: Sequence[Any]) -> Forest:
    """scikit-learn's node tables as one forest; it has no public way to its trees."""
    growing = Growing()
    for nodes in trees:
        numbers = [
            growing.leaf(float(node["value"]))
            if node["is_leaf"]
            else growing.branch(
                int(node["feature_idx"]),
                float(node["num_threshold"]),
                bool(node["missing_go_to_left"]),
            )
            for node in nodes
        ]
        for node, number in zip(nodes, numbers, strict=True):
            if not node["is_leaf"]:
                growing.join(number, numbers[node["left"]], numbers[node["right"]])
        growing.root(numbers[0])
    return growing.finish()


def make(spec: LearnerSpec, domain: Domain, seed: int) -> Challenger:
    """A challenger for a domain; the seed draws its sample and its columns."""
    seen = inputs(domain, spec.columns)
    return Challenger(spec.name, seen, domain.prior, seed, options(spec, ChallengerOptions))
