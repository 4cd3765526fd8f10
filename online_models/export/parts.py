"""Parts that graphs are made of: curves of numbers, tables of buckets, trees.

Their arithmetic mirrors `online_models.learners.encoding` and `curves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from online_models.export.graph import Graph
from online_models.forest import Forest

LESS_OR_EQUAL = 0
"""The branch mode of TreeEnsemble: the true branch is taken where x <= split; not for NaN."""


@dataclass(frozen=True)
class Scaling:
    """Place of a number x on its table's grid: (signed_log(x) - mean) · factor + origin."""

    mean: NDArray[np.float64]
    factor: NDArray[np.float64]
    origin: float


def add_curves(
    graph: Graph,
    clean: str,
    known: str,
    scaling: Scaling,
    values: NDArray[np.float64],
    missing: NDArray[np.float64],
) -> str:
    """The sum [n] over the first k columns of a piecewise linear function of each.

    `values` [k, cells + 1] are the function at places 0, 1 … cells, which it is clipped to;
    `missing` [k] is its value where the column is not known.
    """
    count, width = values.shape
    logs = _signed_log(graph, graph.columns(clean, 0, count))
    scaled = graph.add("Sub", logs, graph.constant(scaling.mean))
    scaled = graph.add("Mul", scaled, graph.constant(scaling.factor))
    place = graph.add("Add", scaled, graph.scalar(scaling.origin))
    place = graph.add("Clip", place, graph.scalar(0.0), graph.scalar(width - 1.0))
    cell = graph.add("Floor", place)
    share = graph.add("Sub", place, cell)
    first = np.arange(count, dtype=np.int64) * width
    index = graph.add("Add", graph.add("Cast", cell, to=TensorProto.INT64), graph.constant(first))
    slopes = np.diff(values, axis=1, append=values[:, -1:])
    left = graph.add("Gather", graph.constant(values.ravel()), index)
    slope = graph.add("Gather", graph.constant(slopes.ravel()), index)
    value = graph.add("Add", left, graph.add("Mul", slope, share))
    seen = graph.columns(known, 0, count)
    return graph.row_sums(graph.add("Where", seen, value, graph.constant(missing)))


def _signed_log(graph: Graph, numbers: str) -> str:
    logs = graph.add("Log", graph.add("Add", graph.add("Abs", numbers), graph.scalar(1.0)))
    return graph.add("Mul", graph.add("Sign", numbers), logs)


def add_categories(
    graph: Graph, clean: str, first_category: int, tables: Sequence[Sequence[float]]
) -> str:
    """The sum [n] over the last columns of the number in each one's table at its bucket.

    A bucket outside its table gives 0.
    """
    return graph.row_sums(bucket_values(graph, clean, first_category, tables, 0.0))


def bucket_values(
    graph: Graph,
    clean: str,
    first_category: int,
    tables: Sequence[Sequence[float]],
    outside: float,
) -> str:
    """For each of the last columns the number in its table at its bucket, [n, tables].

    A bucket outside its table gives `outside`: every table is padded by it at either end.
    """
    numbers = graph.columns(clean, first_category, first_category + len(tables))
    last = np.array([len(table) for table in tables], dtype=np.float64)
    inside = graph.add("Max", numbers, graph.scalar(-1.0))
    inside = graph.add("Min", inside, graph.constant(last))
    first = np.cumsum([1] + [len(table) + 2 for table in tables[:-1]], dtype=np.int64)
    bucket = graph.add("Cast", inside, to=TensorProto.INT64)
    index = graph.add("Add", bucket, graph.constant(first))
    padded = [np.pad(np.asarray(t, np.float64), 1, constant_values=outside) for t in tables]
    return graph.add("Gather", graph.constant(np.concatenate(padded)), index)


def add_forest(graph: Graph, numbers: str, forest: Forest) -> str:
    """The sum [n] of the leaves that each row [n, columns] falls into; NaN where unknown."""
    branches = np.flatnonzero(forest.left != np.arange(len(forest.left)))
    place = np.zeros(len(forest.left), np.int64)  # among the branches, or among the leaves
    place[branches] = np.arange(len(branches))
    is_leaf = np.ones(len(forest.left), np.int64)
    is_leaf[branches] = 0
    leaves = np.flatnonzero(is_leaf)
    place[leaves] = np.arange(len(leaves))
    left, right = forest.left[branches], forest.right[branches]
    tensors = {
        "nodes_modes": np.full(len(branches), LESS_OR_EQUAL, dtype=np.uint8),
        "nodes_splits": forest.split[branches],
        "leaf_weights": forest.value[leaves],
    }
    total = graph.add(
        "TreeEnsemble",
        numbers,
        domain="ai.onnx.ml",
        n_targets=1,
        tree_roots=place[forest.roots].tolist(),
        nodes_featureids=forest.column[branches].tolist(),
        nodes_truenodeids=place[left].tolist(),
        nodes_trueleafs=is_leaf[left].tolist(),
        nodes_falsenodeids=place[right].tolist(),
        nodes_falseleafs=is_leaf[right].tolist(),
        nodes_missing_value_tracks_true=forest.missing_left[branches].astype(int).tolist(),
        leaf_targetids=[0] * len(leaves),
        **{name: numpy_helper.from_array(values) for name, values in tensors.items()},
    )
    return graph.flat(total)
