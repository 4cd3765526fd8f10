"""River's adaptive random forest, small: each tree sees its own draw of examples and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from river import forest
from river.tree.base import Branch

from online_models.export.graph import Graph
from online_models.export.parts import add_forest
from online_models.learners.encoding import Encoding, Inputs, inputs
from online_models.learners.hoeffding_tree import LeanSplitter, Node, as_forest, leaf_rate
from online_models.learners.learner import EncodedLearner, Reaction
from online_models.learners.options import PRIOR_STRENGTH, options
from schemas.declare import Domain, LearnerSpec


@dataclass(frozen=True)
class AdaptiveForestOptions:
    """`trees` of them, each learning an example `draws` times in the mean (Poisson); the rest is
    River's. `strength` is how many examples the prior is worth in a leaf.
    """

    trees: int = 3
    draws: int = 6
    grace_period: int = 500
    max_depth: int = 15
    delta: float = 1e-4
    tau: float = 0.05
    strength: float = PRIOR_STRENGTH


class AdaptiveForest(EncodedLearner[dict[str, float]]):
    """The mean of the trees' leaf rates; see `HoeffdingTree` for what the trees see.

    An example of weight w is drawn w times as often.
    """

    def __init__(
        self, name: str, seen: Inputs, prior: float, seed: int, chosen: AdaptiveForestOptions
    ) -> None:
        super().__init__(name)
        self._encoding = Encoding(seen)
        self._prior, self._seed, self._chosen = prior, seed, chosen
        self._grow_anew()

    def _grow_anew(self) -> None:
        chosen = self._chosen
        self._forest = forest.ARFClassifier(
            n_models=chosen.trees,
            lambda_value=chosen.draws,
            grace_period=chosen.grace_period,
            max_depth=chosen.max_depth,
            delta=chosen.delta,
            tau=chosen.tau,
            split_criterion="gini",
            leaf_prediction="mc",
            splitter=LeanSplitter(),
            disable_weighted_vote=True,
            seed=self._seed,
        )

    def _see(self, vector: Sequence[float]) -> dict[str, float]:
        return self._encoding.filled(vector)

    def _score(self, seen: dict[str, float]) -> float:
        roots = self._roots()
        if not roots:
            return self._prior
        return sum(self._rate(_leaf(root, seen)) for root in roots) / len(roots)

    def _update(self, seen: dict[str, float], positive: bool, weight: float) -> None:
        self._forest.lambda_value = self._chosen.draws * weight
        self._forest.learn_one(seen, positive)

    def _react(self, reaction: Reaction) -> bool:
        """Forgets the trees."""
        if reaction is Reaction.RESET:
            self._grow_anew()
        return reaction is Reaction.RESET

    def _roots(self) -> list[Node]:
        return [tree._root for tree in self._forest]

    def _rate(self, leaf: Node) -> float:
        return leaf_rate(leaf, self._prior, self._chosen.strength)

    def export(self) -> bytes:
        """One TreeEnsemble of all trees on the vector itself."""
        graph = Graph(self.name, self._encoding.inputs.width)
        roots = self._roots()
        if not roots:
            return graph.finish(graph.repeated(self._prior))
        clean, _ = graph.cleaned(self._encoding.inputs.first_category)
        rates = [lambda leaf: self._rate(leaf) / len(roots)] * len(roots)
        return graph.finish(
            add_forest(graph, clean, as_forest(roots, rates, self._encoding.inputs))
        )


def _leaf(node: Node, seen: dict[str, float]) -> Node:
    return node.traverse(seen, until_leaf=True) if isinstance(node, Branch) else node


def make(spec: LearnerSpec, domain: Domain, seed: int) -> AdaptiveForest:
    """An adaptive random forest for a domain; the seed draws examples and columns."""
    seen = inputs(domain, spec.columns)
    return AdaptiveForest(spec.name, seen, domain.prior, seed, options(spec, AdaptiveForestOptions))
