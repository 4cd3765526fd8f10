"""Gradient boosting by mini-batches: each batch grows trees on what the trees before it got wrong.

After Montiel, Mitchell, Frank, Pfahringer, Abdessalem and Bifet, *Adaptive XGBoost for Evolving
Data Streams* (2020): when the ensemble is full, a new tree takes the place of the oldest. Chosen
over River's AdaBoost, which learns an example in about 0.5 ms with five Hoeffding trees and whose
votes are no probabilities; this takes a tenth, and its loss is the log loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from online_models.export.graph import Graph
from online_models.export.parts import add_forest
from online_models.forest import Forest, Growing, joined
from online_models.learners.encoding import Inputs, inputs
from online_models.learners.learner import EncodedLearner, Reaction
from online_models.learners.logits import logit, sigmoid
from online_models.learners.options import options
from online_models.learners.rates import Rates, Row
from schemas.declare import Domain, LearnerSpec

F8 = NDArray[np.float64]


@dataclass(frozen=True)
class BoostingOptions:
    """`grown` trees of `depth` for every `batch` examples, each shrunk by `rate`; at most `trees`.

    `l2` is how much Hessian every leaf has besides its examples', `share` the part of the columns
    that a split may use.
    """

    batch: int = 500
    grown: int = 2
    depth: int = 4
    trees: int = 200
    rate: float = 0.08
    l2: float = 5.0
    share: float = 0.5
    smallest_leaf: int = 10


class _Kept(NamedTuple):
    numbers: F8
    positive: bool
    weight: float


class Boosting(EncodedLearner[Row]):
    """Trees over numbers and buckets' rates, added to the prior's logit."""

    def __init__(
        self, name: str, seen: Inputs, prior: float, seed: int, chosen: BoostingOptions
    ) -> None:
        super().__init__(name)
        self._inputs = seen
        self._prior = prior
        self._seed = seed
        self._options = chosen
        self._forget()

    def _forget(self) -> None:
        self._rates = Rates(self._inputs, self._prior)
        self._start = logit(self._prior)
        self._waiting: list[_Kept] = []
        self._trees: list[Forest] = []
        self._grown = 0
        self._forest: Forest | None = None

    def _see(self, vector: Sequence[float]) -> Row:
        return self._rates.row(vector)

    def _score(self, seen: Row) -> float:
        if self._forest is None:
            return sigmoid(self._start)
        return sigmoid(self._start + self._forest.total(seen.numbers))

    def _update(self, seen: Row, positive: bool, weight: float) -> None:
        self._waiting.append(_Kept(seen.numbers, positive, weight))
        self._rates.learn(seen, positive, weight)
        if len(self._waiting) == self._options.batch:
            for _ in range(self._options.grown):
                self._grow()
            self._waiting = []

    def _react(self, reaction: Reaction) -> bool:
        """Forgets, or drops the older half of the trees, so that new ones count for more."""
        if reaction is Reaction.RESET:
            self._forget()
        elif reaction is Reaction.RAISE_RATE:
            self._trees = self._trees[len(self._trees) // 2 :]
            self._forest = joined(self._trees) if self._trees else None
        return reaction in {Reaction.RESET, Reaction.RAISE_RATE}

    def _grow(self) -> None:
        """One Newton step of the log loss: a tree on gradient over Hessian."""
        rows = np.array([kept.numbers for kept in self._waiting])
        positive = np.array([kept.positive for kept in self._waiting], np.float64)
        weights = np.array([kept.weight for kept in self._waiting])
        logits = np.full(len(rows), self._start)
        if self._forest is not None:
            logits += self._forest.totals(rows)
        rates = 1.0 / (1.0 + np.exp(-logits))
        tree = _tree(
            rows,
            positive - rates,
            rates * (1 - rates),
            weights,
            self._options,
            self._seed + self._grown,
        )
        self._grown += 1
        self._trees = [*self._trees, tree][-self._options.trees :]
        self._forest = joined(self._trees)

    def export(self) -> bytes:
        """Rates as look-ups, the trees as one TreeEnsemble, a sigmoid."""
        graph = Graph(self.name, self._inputs.width)
        if self._forest is None:
            total = graph.repeated(0.0)
        else:
            total = add_forest(graph, self._rates.export(graph), self._forest)
        return graph.finish(
            graph.add("Sigmoid", graph.add("Add", total, graph.scalar(self._start)))
        )


def _tree(
    rows: F8, gradient: F8, hessian: F8, weights: F8, chosen: BoostingOptions, seed: int
) -> Forest:
    """One tree whose leaves are shrunk Newton steps; scikit-learn finds its splits."""
    from sklearn.tree import DecisionTreeRegressor

    model = DecisionTreeRegressor(
        max_depth=chosen.depth,
        max_features=chosen.share,
        min_samples_leaf=chosen.smallest_leaf,
        random_state=seed,
    )
    steps = gradient / np.maximum(hessian, 1e-6)
    model.fit(rows, steps, sample_weight=hessian * weights + 1e-12)
    tree = model.tree_
    leaves = model.apply(rows)
    above = np.bincount(leaves, gradient * weights, tree.node_count)
    below = np.bincount(leaves, hessian * weights, tree.node_count) + chosen.l2
    growing = Growing()
    numbers = [
        growing.leaf(float(chosen.rate * above[node] / below[node]))
        if tree.children_left[node] < 0
        else growing.branch(
            int(tree.feature[node]),
            float(tree.threshold[node]),
            bool(tree.missing_go_to_left[node]),
        )
        for node in range(tree.node_count)
    ]
    for node, number in enumerate(numbers):
        if tree.children_left[node] >= 0:
            left, right = tree.children_left[node], tree.children_right[node]
            growing.join(number, numbers[left], numbers[right])
    growing.root(numbers[0])
    return growing.finish()


def make(spec: LearnerSpec, domain: Domain, seed: int) -> Boosting:
    """A booster for a domain; the seed draws the columns that its splits may use."""
    seen = inputs(domain, spec.columns)
    return Boosting(spec.name, seen, domain.prior, seed, options(spec, BoostingOptions))
