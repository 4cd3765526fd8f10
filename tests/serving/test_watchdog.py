"""A model that is stuck costs its requests a better answer, not their answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from schemas import domains
from schemas.declare import Domain
from serving import watchdog
from serving.models import Model, load
from serving.watchdog import STOPS, Stuck, Watchdog
from tests.serving.endpoints import question, running, until

FOREVER = 1e9


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


@pytest.fixture
def turning(domain: Domain, snapshot: Callable[..., dict[str, Any]]) -> Model:
    return load(snapshot(domain, "turning", 1, _turning(len(domain.vector_names))), domain)


@pytest.fixture
def watching() -> Iterator[Watchdog]:
    watching = Watchdog(patience=0.05)
    watching.start()
    yield watching
    watching.stop()


def _vectors(domain: Domain, turns: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.full((2, len(domain.vector_names)), turns)


def test_a_run_that_takes_too_long_is_stopped_and_the_next_is_not(
    domain: Domain, turning: Model, watching: Watchdog
) -> None:
    began = time.monotonic()
    with pytest.raises(Stuck, match="after 50 ms"):
        watching.run(turning, _vectors(domain, FOREVER))
    assert 0.05 <= time.monotonic() - began < 5
    assert watching.run(turning, _vectors(domain, 3.0)).tolist() == [0.5, 0.5]


def test_one_that_is_stopped_again_and_again_is_left_alone_for_a_while(
    domain: Domain, turning: Model, watching: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(STOPS):
        with pytest.raises(Stuck, match="after 50 ms"):
            watching.run(turning, _vectors(domain, FOREVER))
    with pytest.raises(Stuck, match="a moment ago"):
        watching.run(turning, _vectors(domain, 3.0))
    time.sleep(watchdog.REST_S)
    assert watching.run(turning, _vectors(domain, 3.0)).tolist() == [0.5, 0.5]


def test_one_that_fails_by_itself_is_not_called_stuck(domain: Domain, watching: Watchdog) -> None:
    def broken(_: Any) -> Any:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        watching.run(Model("broken", 1, broken, "test"), _vectors(domain, 1.0))


def test_a_request_whose_model_is_stuck_is_answered_by_the_base_rate(
    tmp_path: Path, snapshot: Callable[..., dict[str, Any]]
) -> None:
    domain = domains.load("flights")
    graph = _turning(len(domain.vector_names))
    with running(tmp_path) as made:
        made.publish(snapshot(domain, domain.served, 1, graph))
        until(lambda: len(made.get("/models").json["models"]) > 1)
        assert made.predict(question()).json["model"] == domain.served
        stuck = made.predict(question(distance=FOREVER))
        assert stuck.status == 200, stuck.text
        assert stuck.json["model"] == "base-rate"
        assert "model:base-rate" in stuck.json["degraded"]
        assert made.predict(question()).json["model"] == domain.served
