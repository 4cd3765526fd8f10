"""Small ONNX graphs, good and bad, records of `model.avsc` around them, and endpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from schemas.declare import Domain
from tests.serving.endpoints import Live, running


def _constant(
    width: int,
    probability: float,
    *,
    entry: str = "vector",
    result: str = "probability",
    fixed_width: bool = True,
) -> bytes:
    """A graph that gives every vector the same probability."""
    nodes = [
        helper.make_node("MatMul", [entry + "_known", "weights"], ["zero"]),
        helper.make_node("Add", ["zero", "value"], [result]),
        helper.make_node("IsNaN", [entry], ["unknown"]),
        helper.make_node("Where", ["unknown", "nought", entry], [entry + "_known"]),
    ]
    nodes = [nodes[2], nodes[3], nodes[0], nodes[1]]
    weights = [
        helper.make_tensor("weights", TensorProto.DOUBLE, [width], np.zeros(width)),
        helper.make_tensor("value", TensorProto.DOUBLE, [], [probability]),
        helper.make_tensor("nought", TensorProto.DOUBLE, [], [0.0]),
    ]
    shape = ["n", width if fixed_width else "width"]
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info(entry, TensorProto.DOUBLE, shape)],
        [helper.make_tensor_value_info(result, TensorProto.DOUBLE, ["n"])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def _turning(width: int) -> bytes:
    """A graph whose loop makes as many turns as the largest value of a vector says."""
    turn = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still_on"]),
            helper.make_node("Identity", ["kept"], ["same"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("kept", TensorProto.DOUBLE, ["n"]),
        ],
        [
            helper.make_tensor_value_info("still_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same", TensorProto.DOUBLE, ["n"]),
        ],
    )
    nodes = [
        helper.make_node("IsNaN", ["vector"], ["unknown"]),
        helper.make_node("Where", ["unknown", "nought", "vector"], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["noughts"]),
        helper.make_node("Add", ["noughts", "half"], ["halves"]),
        helper.make_node("ReduceMax", ["known"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["turns"], to=TensorProto.INT64),
        helper.make_node("Loop", ["turns", "", "halves"], ["probability"], body=turn),
    ]
    graph = helper.make_graph(
        nodes,
        "turning",
        [helper.make_tensor_value_info("vector", TensorProto.DOUBLE, ["n", width])],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["n"])],
        [
            helper.make_tensor("weights", TensorProto.DOUBLE, [width], np.zeros(width)),
            helper.make_tensor("nought", TensorProto.DOUBLE, [], [0.0]),
            helper.make_tensor("half", TensorProto.DOUBLE, [], [0.5]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def _snapshot(
    domain: Domain, name: str, version: int, graph: bytes | None = None, /, **changes: Any
) -> dict[str, Any]:
    """A record of `model.avsc`; where no graph is given, one whose answer tells the version."""
    onnx = _constant(len(domain.vector_names), _telling(version)) if graph is None else graph
    return {
        "name": name,
        "version": version,
        "time": 1_372_636_800_000,
        "domain": domain.name,
        "kind": "logistic",
        "onnx": onnx,
        "sha256": hashlib.sha256(onnx).hexdigest(),
        "inputs": list(domain.vector_names),
        "checked": 10,
        "difference": 1e-9,
        "metrics": {"auc": 0.7},
        **changes,
    }


def _telling(version: int) -> float:
    """The probability that a snapshot made here gives for a version, different for each."""
    return version / 1_000_000


@pytest.fixture(scope="session")
def constant() -> Callable[..., bytes]:
    """Makes graphs: (width, probability, ...)."""
    return _constant


@pytest.fixture(scope="session")
def turning_graph() -> Callable[[int], bytes]:
    """Makes graphs that take as long as their input says: (width)."""
    return _turning


@pytest.fixture(scope="session")
def snapshot() -> Callable[..., dict[str, Any]]:
    """Makes records: (domain, name, version, graph, ...)."""
    return _snapshot


@pytest.fixture(scope="session")
def telling() -> Callable[[int], float]:
    """The probability by which a snapshot tells its version."""
    return _telling


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An endpoint process with a features flow, kept for the session; nobody publishes models."""
    with running(tmp_path_factory.mktemp("live"), ("features",)) as made:
        yield made
