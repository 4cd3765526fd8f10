"""River's Hoeffding adaptive tree: a branch whose errors grow is replaced by one grown beside it.

Answers come from the main tree; River would add the leaves of alternate trees, which fails where
such a tree has split (its `traverse` then gives a list within a list).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from river import tree
from river.tree.nodes.hatc_nodes import AdaLeafClassifier
from river.tree.nodes.htc_nodes import LeafMajorityClass, LeafNaiveBayesAdaptive

from online_models.learners.encoding import Inputs, inputs
from online_models.learners.hoeffding_tree import HoeffdingTree, HoeffdingTreeOptions, LeanSplitter
from online_models.learners.learner import Reaction
from online_models.learners.options import options
from schemas.declare import Domain, LearnerSpec


@dataclass(frozen=True)
class AdaptiveTreeOptions(HoeffdingTreeOptions):
    """Those of the Hoeffding tree; `significance` is that of replacing a branch."""

    significance: float = 0.05


class _Counting(LeafNaiveBayesAdaptive):  # type: ignore[misc]
    """Keeps no account of whether naive Bayes would have been right: nothing here asks for it."""

    def learn_one(self, x: Any, y: bool, *, w: float = 1.0, tree: Any = None) -> None:
        LeafMajorityClass.learn_one(self, x, y, w=w, tree=tree)


class MajorityLeaf(AdaLeafClassifier, _Counting):  # type: ignore[misc]
    """River's leaf for half the time: it grows the same tree, where leaves give their majority."""

    def prediction(self, x: Any, *, tree: Any = None) -> dict[bool, float]:
        """The shares of the labels; River's are as large times a factor that is common to both."""
        total = sum(self.stats.values())
        return {label: count / total for label, count in self.stats.items()} if total else {}


class LeanTree(tree.HoeffdingAdaptiveTreeClassifier):  # type: ignore[misc]
    """River's tree with such leaves."""

    def _new_leaf(self, initial_stats: Any = None, parent: Any = None) -> MajorityLeaf:
        return MajorityLeaf(
            stats={} if initial_stats is None else initial_stats,
            depth=0 if parent is None else parent.depth + 1,
            splitter=self.splitter,
            drift_detector=self.drift_detector.clone(),
            rng=self._rng,
        )


class AdaptiveTree(HoeffdingTree):
    """The plain tree's answers and export, of a tree that forgets what has gone wrong."""

    def __init__(
        self, name: str, seen: Inputs, prior: float, seed: int, chosen: AdaptiveTreeOptions
    ) -> None:
        self._significance, self._seed = chosen.significance, seed
        super().__init__(name, seen, prior, chosen)

    def _grow_anew(self) -> None:
        chosen = self._chosen
        self._tree = LeanTree(
            grace_period=chosen.grace_period,
            max_depth=chosen.max_depth,
            delta=chosen.delta,
            tau=chosen.tau,
            split_criterion="gini",
            leaf_prediction="mc",
            splitter=LeanSplitter(),
            bootstrap_sampling=False,
            switch_significance=self._significance,
            seed=self._seed,
        )

    def _react(self, reaction: Reaction) -> bool:
        """Forgets the tree."""
        if reaction is Reaction.RESET:
            self._grow_anew()
        return reaction is Reaction.RESET


def make(spec: LearnerSpec, domain: Domain, seed: int) -> AdaptiveTree:
    """A Hoeffding adaptive tree for a domain."""
    seen = inputs(domain, spec.columns)
    return AdaptiveTree(spec.name, seen, domain.prior, seed, options(spec, AdaptiveTreeOptions))
