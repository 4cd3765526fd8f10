"""Learners as a bare loop has them: River's own parts over dicts, nothing of the system around.

Each answers an example and then learns it, and gives the numbers of the learner of that kind. Where
a kind is not River's the bare loop is the learner itself, called with one example after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from river import base, compose, forest, linear_model, optim, preprocessing, tree
from river.tree.base import Branch

from online_models.learners import make
from online_models.learners.adaptive_forest import AdaptiveForestOptions
from online_models.learners.adaptive_tree import AdaptiveTreeOptions
from online_models.learners.curves import CLIP, KNOTS, REACH, STEP
from online_models.learners.encoding import inputs
from online_models.learners.hoeffding_tree import HoeffdingTreeOptions
from online_models.learners.logistic import LogisticOptions
from online_models.learners.options import options
from schemas.declare import Domain, LearnerSpec

Row = Mapping[str, float]
Loop = Callable[[Sequence[Row], Sequence[bool]], Iterator[float]]
"""Goes over rows by name and their labels; gives the probability of each before it is learned."""

OWN = "the learner itself"


def loops(spec: LearnerSpec, domain: Domain, seed: int) -> dict[str, Loop]:
    """The bare loops of a learner by name; the first is as people write it with River."""
    if spec.kind == "logistic" and not set(spec.options) - {"rate", "eps", "l2"}:
        return {
            "River's Pipeline": _pipeline(spec, domain),
            "River's parts by hand": _by_hand(spec, domain),
        }
    if spec.kind in _TREES and not set(spec.options):
        return {f"River's {_TREES[spec.kind]}": _trees(spec, domain, seed)}
    return {OWN: _own(spec, domain, seed)}


class Curves(base.Transformer):  # type: ignore[misc]
    """`online_models.learners.curves` as a transformer: z by name → straight part, two knots.

    Keys are `name`, `name@0` … `name@12` for the knots from -3 to 3, and `name?` where the number
    is missing from the dict.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._keys = [
            (name, f"{name}?", tuple(f"{name}@{knot}" for knot in range(KNOTS))) for name in names
        ]

    def transform_one(self, x: Row) -> dict[str, float]:
        """At most three keys a name."""
        out: dict[str, float] = {}
        last = KNOTS - 1
        for name, missing, knots in self._keys:
            z = x.get(name)
            if z is None:
                out[missing] = 1.0
                continue
            out[name] = z = min(max(z, -CLIP), CLIP)
            place = (z + REACH) / STEP
            if place <= 0.0:
                out[knots[0]] = 1.0
            elif place >= last:
                out[knots[last]] = 1.0
            else:
                knot = int(place)
                share = place - knot
                out[knots[knot]] = 1.0 - share
                out[knots[knot + 1]] = share
        return out


class ScaledBefore(preprocessing.StandardScaler):  # type: ignore[misc]
    """River's scaler that learns a row after it has scaled it, as a supervised transformer does."""

    _supervised = True

    def learn_one(self, x: Row, y: bool | None = None) -> None:
        """Takes the row in; the label does not matter."""
        super().learn_one(x)


def signed_logs(x: Row) -> dict[str, float]:
    """Of the numbers that are known."""
    return {
        name: math.copysign(math.log(1.0 + abs(value)), value)
        for name, value in x.items()
        if value == value
    }


def one_hot(x: Row) -> dict[str, float]:
    """`category=bucket` with 1.0."""
    return {f"{name}={int(bucket)}": 1.0 for name, bucket in x.items()}


def _parts(spec: LearnerSpec, domain: Domain) -> tuple[Any, Any, Any]:
    """Numbers to logarithms, categories to one-hot keys, and the regression."""
    seen, chosen = inputs(domain, spec.columns), options(spec, LogisticOptions)
    numbers = compose.Select(*seen.numerics) | compose.FuncTransformer(signed_logs)
    buckets = compose.Select(*(name for name, _ in seen.categories)) | compose.FuncTransformer(
        one_hot
    )
    regression = linear_model.LogisticRegression(
        optim.AdaGrad(chosen.rate, chosen.eps),
        l2=chosen.l2,
        intercept_init=math.log(domain.prior / (1.0 - domain.prior)),
        intercept_lr=0.0,
    )
    return numbers, buckets, regression


def _pipeline(spec: LearnerSpec, domain: Domain) -> Loop:
    numbers, buckets, regression = _parts(spec, domain)
    curved = numbers | ScaledBefore() | Curves(inputs(domain, spec.columns).numerics)
    model = (curved + buckets) | regression

    def loop(rows: Sequence[Row], labels: Sequence[bool]) -> Iterator[float]:
        for x, y in zip(rows, labels, strict=True):
            yield model.predict_proba_one(x)[True]
            model.learn_one(x, y)

    return loop


def _by_hand(spec: LearnerSpec, domain: Domain) -> Loop:
    """Every dict is made once: the least that River's parts can take."""
    numbers, buckets, regression = _parts(spec, domain)
    scaler = preprocessing.StandardScaler()
    curves = Curves(inputs(domain, spec.columns).numerics)

    def loop(rows: Sequence[Row], labels: Sequence[bool]) -> Iterator[float]:
        for row, y in zip(rows, labels, strict=True):
            logs = numbers.transform_one(row)
            x = curves.transform_one(scaler.transform_one(logs))
            x.update(buckets.transform_one(row))
            yield regression.predict_proba_one(x)[True]
            regression.learn_one(x, y)
            scaler.learn_one(logs)

    return loop


_TREES = {
    "hoeffding_tree": "HoeffdingTreeClassifier",
    "adaptive_tree": "HoeffdingAdaptiveTreeClassifier",
    "adaptive_forest": "ARFClassifier",
}


def _trees(spec: LearnerSpec, domain: Domain, seed: int) -> Loop:
    """Read leaf by leaf: `predict_proba_one` knows no prior and adds the leaves of spare trees."""
    model, strength = _grown(spec, seed)
    names = inputs(domain, spec.columns).numerics

    def loop(rows: Sequence[Row], labels: Sequence[bool]) -> Iterator[float]:
        for row, y in zip(rows, labels, strict=True):
            known = signed_logs({name: row[name] for name in names})
            x = {name: known.get(name, 0.0) for name in names}
            roots = (
                [each._root for each in model] if spec.kind == "adaptive_forest" else [model._root]
            )
            rates = [_rate(root, x, domain.prior, strength) for root in roots]
            yield sum(rates) / len(rates) if rates else domain.prior
            model.learn_one(x, y)

    return loop


def _grown(spec: LearnerSpec, seed: int) -> tuple[Any, float]:
    """River's model with the options of the learner, and how much its leaves hold to the prior."""
    if spec.kind == "adaptive_forest":
        of_forest = AdaptiveForestOptions()
        return forest.ARFClassifier(
            n_models=of_forest.trees,
            lambda_value=of_forest.draws,
            disable_weighted_vote=True,
            seed=seed,
            **_common(of_forest),
        ), of_forest.strength
    if spec.kind == "adaptive_tree":
        adaptive = AdaptiveTreeOptions()
        return tree.HoeffdingAdaptiveTreeClassifier(
            bootstrap_sampling=False,
            switch_significance=adaptive.significance,
            seed=seed,
            **_common(adaptive),
        ), adaptive.strength
    plain = HoeffdingTreeOptions()
    return tree.HoeffdingTreeClassifier(**_common(plain)), plain.strength


def _common(chosen: HoeffdingTreeOptions | AdaptiveForestOptions) -> dict[str, Any]:
    names = ("grace_period", "max_depth", "delta", "tau")
    return {
        **{name: getattr(chosen, name) for name in names},
        "split_criterion": "gini",
        "leaf_prediction": "mc",
    }


def _rate(node: Any, x: Row, prior: float, strength: float) -> float:
    while isinstance(node, Branch):
        node = node.next(x)
    if node is None:
        return prior
    positives = node.stats.get(True, 0.0)
    total = positives + node.stats.get(False, 0.0) + strength
    return float((positives + prior * strength) / total)


def _own(spec: LearnerSpec, domain: Domain, seed: int) -> Loop:
    learner, names = make(spec, domain, seed), domain.vector_names

    def loop(rows: Sequence[Row], labels: Sequence[bool]) -> Iterator[float]:
        for row, label in zip(rows, labels, strict=True):
            yield learner.score_then_learn([row[name] for name in names], float(label))

    return loop
