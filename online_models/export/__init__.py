"""Models as ONNX graphs: `vector` double [n, width] in, `probability` double [n] out."""

from online_models.export.check import GraphError, check_graph, open_graph, run_graph
from online_models.export.graph import Graph

__all__ = ["Graph", "GraphError", "check_graph", "open_graph", "run_graph"]
