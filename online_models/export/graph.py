"""Builds ONNX graphs, all in doubles, with the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
ML_OPSET = 5
IR_VERSION = 10


class Graph:
    """A graph that grows; methods give the name of the tensor they add."""

    def __init__(self, name: str, width: int) -> None:
        self._name = name
        self._width = width
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    @classmethod
    def like(cls, name: str, data: bytes) -> Graph:
        """An empty graph of the same vector as another graph."""
        shape = onnx.load_from_string(data).graph.input[0].type.tensor_type.shape
        return cls(name, shape.dim[1].dim_value)

    def constant(self, values: Any) -> str:
        """A tensor of fixed numbers, of the type of the array."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def scalar(self, value: float) -> str:
        """A double."""
        return self.constant(np.float64(value))

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node of one output."""
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], domain=domain, **attributes))
        return name

    def columns(self, tensor: str, start: int, end: int) -> str:
        """Columns start to end - 1 of a tensor [n, width]."""
        if (start, end) == (0, self._width):
            return tensor
        bounds = [self.constant(np.array([number], dtype=np.int64)) for number in (start, end, 1)]
        return self.add("Slice", tensor, *bounds)

    def known(self, columns: Sequence[int], largest: float) -> str:
        """Columns of the vector [n, columns]; NaN where a number is beyond ± `largest`."""
        picked = self.constant(np.array(columns, np.int64))
        raw = self.add("Gather", "vector", picked, axis=1)
        inside = self.add("LessOrEqual", self.add("Abs", raw), self.scalar(largest))
        return self.add("Where", inside, raw, self.scalar(np.nan))

    def cleaned(self, first_category: int) -> tuple[str, str]:
        """The vector without NaN and infinities, and where it had none of them (bool).

        They become 0 among the numbers and -1, which is no bucket, among the categories.
        """
        fill = np.zeros(self._width)
        fill[first_category:] = -1.0
        known = self.add("Equal", self.add("Sub", "vector", "vector"), self.scalar(0.0))
        return self.add("Where", known, "vector", self.constant(fill)), known

    def row_sums(self, tensor: str) -> str:
        """[n, k] to [n]."""
        return self.add("ReduceSum", tensor, self.constant(np.array([1], np.int64)), keepdims=0)

    def flat(self, tensor: str) -> str:
        """[n, 1] to [n]."""
        return self.add("Reshape", tensor, self.constant(np.array([-1], np.int64)))

    def repeated(self, value: float) -> str:
        """One number for each row of the vector."""
        rows = self.add("Shape", "vector", start=0, end=1)
        tensor = numpy_helper.from_array(np.array([value], dtype=np.float64))
        return self.add("ConstantOfShape", rows, value=tensor)

    def embed(self, data: bytes) -> str:
        """All of another graph of the same vector; gives its probability [n]."""
        other, prefix = onnx.load_from_string(data).graph, f"g{len(self._nodes)}_"
        for node in other.node:
            own = onnx.NodeProto()
            own.CopyFrom(node)
            own.input[:] = [n if n in ("", "vector") else prefix + n for n in node.input]
            own.output[:] = [prefix + name for name in node.output]
            self._nodes.append(own)
        for constant in other.initializer:
            renamed = onnx.TensorProto()
            renamed.CopyFrom(constant)
            renamed.name = prefix + constant.name
            self._constants.append(renamed)
        return f"{prefix}probability"

    def logit(self, probability: str, narrow: float) -> str:
        """log(p / (1 - p)) of p kept within [narrow, 1 - narrow]."""
        p = self.add("Clip", probability, self.scalar(narrow), self.scalar(1.0 - narrow))
        return self.add("Sub", self.add("Log", p), self.add("Log", self._complement(p)))

    def _complement(self, p: str) -> str:
        return self.add("Sub", self.scalar(1.0), p)

    def finish(self, probability: str) -> bytes:
        """The serialised ModelProto whose output is that tensor [n]."""
        self._nodes.append(helper.make_node("Identity", [probability], ["probability"]))
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info("vector", TensorProto.DOUBLE, ["n", self._width])],
            [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["n"])],
            self._constants,
        )
        sets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(
            graph, opset_imports=sets, ir_version=IR_VERSION, producer_name="headrace"
        )
        data: bytes = model.SerializeToString(deterministic=True)
        return data
