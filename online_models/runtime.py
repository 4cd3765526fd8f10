"""ONNX Runtime, told before it is loaded to send no telemetry to its maker.

Its official builds do by default, from 1.32 on; ORT_DISABLE_TELEMETRY=0 leaves them to it.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

__all__ = ["options", "ort"]


def options(least_severity: int) -> ort.SessionOptions:
    """For a session of one thread that logs what is so severe (3 error, 4 fatal), or more.

    The graph is run as it is: those that are exported here run no faster once ONNX Runtime has
    rewritten them, and that takes half of the time that a session's making does.
    """
    chosen = ort.SessionOptions()
    chosen.intra_op_num_threads = chosen.inter_op_num_threads = 1
    chosen.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    chosen.log_severity_level = least_severity
    return chosen
