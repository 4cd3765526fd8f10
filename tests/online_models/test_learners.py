"""What is special to one kind of learner; the laws of all are in `test_laws.py`."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise
from typing import Literal

import numpy as np
import onnx
import pytest
from river import tree

from benchmarks.learning.bare import loops
from online_models.evaluation import roc_auc
from online_models.export import GraphError, check_graph, open_graph, run_graph
from online_models.learners import KINDS, make
from online_models.learners.curves import PLACES, Curves
from online_models.learners.encoding import Encoding, inputs, signed_log, undo_signed_log
from online_models.learners.focal import Focal
from online_models.learners.learner import InBatches
from schemas import domains
from schemas.declare import DeclarationError, LearnerSpec
from tests.online_models import checks
from tests.online_models.made import QUICK, learner, stream

FLIGHTS = domains.load("flights")


@pytest.mark.parametrize("spec", FLIGHTS.learners, ids=lambda spec: spec.name)
def test_declared_learners_are_made(spec: LearnerSpec) -> None:
    made = make(spec, FLIGHTS, seed=0)
    assert made.name == spec.name
    assert made.predict(stream()[0].vector) == pytest.approx(FLIGHTS.prior)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "base_rate"])
def test_static_learners_do_not_see_features(kind: str) -> None:
    first, last = len(FLIGHTS.columns), len(FLIGHTS.vector_names) - len(FLIGHTS.categories)
    blind = [v[:first] + [math.nan] * (last - first) + v[last:] for v, _ in stream()]
    static = checks.taught(learner(kind, "static"), stream())
    assert [static.predict(v) for v, _ in stream()] == [static.predict(v) for v in blind]
    whole = checks.taught(learner(kind), stream())
    assert [whole.predict(v) for v, _ in stream()] != [whole.predict(v) for v in blind]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "base_rate"])
def test_learners_rank_what_they_have_not_seen(kind: str) -> None:
    made = checks.taught(learner(kind), stream(4000)[:3000])
    unseen = stream(4000)[3000:]
    answers = [made.predict(vector) for vector, _ in unseen]
    assert roc_auc([label for _, label in unseen], answers) > 0.7


def test_base_rate_is_the_rate_with_the_prior_as_twenty_examples() -> None:
    made = learner("base_rate")
    for weight, (vector, label) in enumerate(stream()[:100]):
        made.learn(vector, label, weight=float(weight))
    positives = sum(weight * label for weight, (_, label) in enumerate(stream()[:100]))
    expected = (positives + 20 * FLIGHTS.prior) / (sum(range(100)) + 20)
    assert made.predict(stream()[0].vector) == pytest.approx(expected)


@pytest.mark.parametrize("options", [{}, {"rate": 0.3, "eps": 1e-8}, {"l2": 0.01}])
@pytest.mark.parametrize("columns", ["all", "static"])
def test_logistic_is_the_plain_river_pipeline(
    columns: Literal["all", "static"], options: dict[str, float]
) -> None:
    """River's own scaler, regression and AdaGrad, over dicts, say the same up to rounding."""
    spec = LearnerSpec("x", "logistic", columns, options)
    rows = [dict(zip(FLIGHTS.vector_names, vector, strict=True)) for vector, _ in stream()]
    labels = [bool(label) for _, label in stream()]
    made = make(spec, FLIGHTS, seed=0)
    ours = [made.score_then_learn(vector, label) for vector, label in stream()]
    for loop in loops(spec, FLIGHTS, seed=0).values():
        np.testing.assert_allclose(list(loop(rows, labels)), ours, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "kind",
    [
        *sorted(set(KINDS) - {"stack", "challenger"}),
        pytest.param("challenger", marks=pytest.mark.slow),
    ],
)
def test_batches_do_not_change_what_is_learned(kind: str) -> None:
    """However examples are cut into batches, the scores and the graph are the same bytes."""
    whole, cut, alone = (learner(kind) for _ in range(3))
    assert isinstance(whole, InBatches)
    assert isinstance(cut, InBatches)
    vectors, labels = zip(*stream()[:900], strict=True)
    weights = [1.0 + place % 3 for place in range(900)]
    at_once = whole.score_then_learn_many(vectors, labels, weights)
    pieces = []
    for first, last in pairwise((0, 1, 2, 50, 333, 900)):
        part = slice(first, last)
        pieces += cut.score_then_learn_many(vectors[part], labels[part], weights[part])
    each = zip(vectors, labels, weights, strict=True)
    one_by_one = [alone.score_then_learn(*example) for example in each]
    assert at_once == pieces == one_by_one
    assert whole.export() == cut.export() == alone.export()


def test_focal_probability_minimises_the_expected_loss() -> None:
    """Of labels that are positive so often, no other logit has a smaller loss; by River's loss."""
    for gamma, beta in ((1.0, 0.0), (2.0, 1.0), (5.0, 0.3)):
        loss = Focal(gamma, beta)
        for often in (1e-4, 0.02, 0.5, 0.9):
            best = loss.link(often)
            assert loss.mean_func(best) == pytest.approx(often, rel=1e-9)
            losses = [
                often * loss(1, best + off) + (1 - often) * loss(0, best + off)
                for off in (0.0, -0.01, 0.01)
            ]
            assert min(losses) == losses[0]


def test_focal_of_gamma_one_is_the_logistic_loss() -> None:
    focal, plain = learner("logistic", focal=1.0, beta=0.0), learner("logistic")
    for vector, label in stream()[:300]:
        assert focal.predict(vector) == pytest.approx(plain.predict(vector), abs=1e-9)
        focal.learn(vector, label)
        plain.learn(vector, label)
    with pytest.raises(DeclarationError, match="focal -1; expected a finite number, 0 or more"):
        learner("logistic", focal=-1)


def test_tree_is_rivers() -> None:
    """The same splits as River's tree fed with the same dicts, and without a prior its answers."""
    made, encoding = learner("hoeffding_tree", strength=1e-300), Encoding(inputs(FLIGHTS, "all"))
    river = tree.HoeffdingTreeClassifier(
        max_depth=15, split_criterion="gini", leaf_prediction="mc", **QUICK["hoeffding_tree"]
    )
    for vector, label in stream(4000):
        made.learn(vector, label)
        river.learn_one(encoding.filled(vector), bool(label))
    assert river.n_branches >= 3
    for vector, _ in stream(4000):
        expected = river.predict_proba_one(encoding.filled(vector))[True]
        assert made.predict(vector) == pytest.approx(expected, abs=1e-15)


def test_tree_graph_takes_the_same_branch_at_its_splits() -> None:
    """On the last double that goes left and the first that goes right, for every split."""
    made = checks.taught(learner("hoeffding_tree"), stream(4000))
    graph = made.export()
    node = next(n for n in onnx.load_from_string(graph).graph.node if n.op_type == "TreeEnsemble")
    fields = {attribute.name: attribute for attribute in node.attribute}
    splits = np.frombuffer(fields["nodes_splits"].t.raw_data)
    assert len(splits) >= 3
    for column, split in zip(fields["nodes_featureids"].ints, splits, strict=True):
        for value in (split, np.nextafter(split, np.inf), np.nextafter(split, -np.inf)):
            vectors = [list(vector) for vector, _ in stream()[:20]]
            for vector in vectors:
                vector[column] = float(value)
            assert check_graph(graph, made, vectors) == 0.0


def test_tree_stays_small() -> None:
    """River's Gaussians would carry a random generator each: 250 kB a leaf."""
    made = checks.taught(learner("hoeffding_tree"), stream(4000))
    river = made._tree  # type: ignore[attr-defined]
    assert len(pickle.dumps(made)) < 100_000 * river.n_leaves


def test_undone_logarithm_is_the_last_double_below() -> None:
    numbers = np.array([0.0, 5e-324, 1e-17, 0.3, 1.0, 59.0, -12.5, 1e15, -1e300, 1.7e308])
    limits = np.concatenate([signed_log(numbers), [0.123, -4.56, 700.0, 1e-300, -1e-300]])
    found = undo_signed_log(limits)
    assert (signed_log(found) <= limits).all()
    assert (signed_log(np.nextafter(found, np.inf)) > limits).all()


def test_curve_is_what_the_tables_say() -> None:
    """A linear model over the places of a curve, and interpolation in its table, are one function.

    The places beside the knots count for nothing, whatever stands there.
    """
    curves = Curves(2)
    weights = np.random.default_rng(1).normal(size=curves.size)
    values, missing = curves.tables(weights)
    zs = np.array([*np.random.default_rng(2).normal(size=200) * 4, 0, -6, 6, -3, 3, 1e300, -1e300])
    z, known = np.column_stack([zs, zs]), np.array([[True, False]] * len(zs))
    index, value = np.empty((len(zs), 2 * PLACES), np.int64), np.empty((len(zs), 2 * PLACES))
    curves.place(z, known, index, value)
    expected = np.interp(zs, np.linspace(-6, 6, 25), values[0]) + missing[1]
    np.testing.assert_allclose((weights[index] * value).sum(axis=1), expected, atol=1e-12)


def test_check_graph_sees_a_difference() -> None:
    """A graph of an older version is not its learner's; nor are bytes that are no graph."""
    made = learner("logistic")
    old = made.export()
    checks.taught(made, stream()[:50])
    vectors = [vector for vector, _ in stream()[:50]]
    assert check_graph(old, made, vectors) > 1e-3
    for wrong in (b"", b"no graph", old[:-20]):
        with pytest.raises(GraphError):
            run_graph(wrong, vectors)
    with pytest.raises(ValueError, match="no vectors"):
        check_graph(old, made, [])


def test_graph_has_the_agreed_signature() -> None:
    for kind in KINDS:
        session = open_graph(learner(kind).export())
        (given,), (answer,) = session.get_inputs(), session.get_outputs()
        width = len(FLIGHTS.vector_names)
        assert (given.name, given.type, given.shape) == ("vector", "tensor(double)", ["n", width])
        assert (answer.name, answer.type, answer.shape) == ("probability", "tensor(double)", ["n"])
