"""Models that answer: the built-in base rate, and ONNX snapshots once they have proved fit."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_models.runtime import options, ort
from schemas.declare import Domain

BASE_RATE = "base-rate"
FALLBACK = f"model:{BASE_RATE}"
"""What `degraded` says where the base rate answers for a model."""

INPUT, OUTPUT = "vector", "probability"
_WARM_UP_ROWS = (1, 2, 16)
_ORT_ERROR, _ORT_FATAL = 3, 4

Run = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Vectors [n, width] to probabilities [n]."""


class SnapshotRefused(ValueError):
    """A snapshot that is not fit to serve; `reason` is one word for the metric."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model ready to run. `version` is how many examples it had learned from, `time` the event
    time in ms of the last of them; None for the base rate that is built in.
    """

    name: str
    version: int
    run: Run
    kind: str
    time: int | None = None
    sha256: str | None = None
    checked: int = 0
    difference: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    stop: Callable[[], None] = lambda: None

    def document(self) -> dict[str, Any]:
        """What `/models` says of it."""
        return {
            "name": self.name,
            "version": self.version,
            "kind": self.kind,
            "examples": self.version,
            "time": self.time,
            "sha256": self.sha256,
            "checked": self.checked,
            "difference": self.difference,
            "metrics": {name: _finite(value) for name, value in self.metrics.items()},
        }


def base_rate(domain: Domain) -> Model:
    """What answers before anything is learned: the domain's prior for every vector."""

    def run(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(vectors), domain.prior)

    return Model(BASE_RATE, version=0, run=run, kind="prior")


def load(record: Mapping[str, Any], domain: Domain) -> Model:
    """The model of a record of `model.avsc`, its session built, warmed and checked.

    Raises SnapshotRefused for a graph that is not what the record says or not of this domain.
    """
    _check_record(record, domain)
    run, stop = _session(record["onnx"], len(domain.vector_names))
    for rows in _WARM_UP_ROWS:
        _check_run(run, rows, len(domain.vector_names))
    return Model(
        name=record["name"],
        version=record["version"],
        run=run,
        kind=record["kind"],
        time=record["time"],
        sha256=record["sha256"],
        checked=record["checked"],
        difference=record["difference"],
        metrics=record["metrics"],
        stop=stop,
    )


def _check_record(record: Mapping[str, Any], domain: Domain) -> None:
    found = hashlib.sha256(record["onnx"]).hexdigest()
    if found != record["sha256"]:
        raise SnapshotRefused("sha256", f"the graph has {found}, the record {record['sha256']}")
    if record["domain"] != domain.name:
        raise SnapshotRefused("domain", f"it is of {record['domain']!r}, not {domain.name!r}")
    given, expected = tuple(record["inputs"]), domain.vector_names
    if given != expected:
        differing = [n for n, (a, b) in enumerate(zip(given, expected, strict=False)) if a != b]
        where = f", first at column {differing[0]}" if differing else ""
        raise SnapshotRefused(
            "inputs", f"{len(given)} columns, expected {len(expected)}; they differ{where}"
        )


def _session(graph: bytes, width: int) -> tuple[Run, Callable[[], None]]:
    chosen = options(_ORT_ERROR)
    try:
        session = ort.InferenceSession(graph, chosen, providers=["CPUExecutionProvider"])
    except Exception as fault:  # ORT's errors have no common base below Exception
        raise SnapshotRefused("graph", f"ONNX Runtime cannot load it: {fault}") from fault
    _check_signature(session, width)

    this_run = ort.RunOptions()
    this_run.log_severity_level = _ORT_FATAL

    def run(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        this_run.terminate = False
        result: NDArray[np.float64] = session.run([OUTPUT], {INPUT: vectors}, this_run)[0]
        return result

    def stop() -> None:
        this_run.terminate = True

    return run, stop


def _check_signature(session: ort.InferenceSession, width: int) -> None:
    given = [(part.name, part.type) for part in session.get_inputs()]
    if given != [(INPUT, "tensor(double)")]:
        raise SnapshotRefused("signature", f"inputs {given}; expected {INPUT} of double")
    outputs = {part.name: part.type for part in session.get_outputs()}
    if outputs.get(OUTPUT) != "tensor(double)":
        raise SnapshotRefused("signature", f"outputs {outputs}; expected {OUTPUT} of double")
    shape = session.get_inputs()[0].shape
    if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != width):
        raise SnapshotRefused("width", f"input shape {shape}; expected [n, {width}]")


def _check_run(run: Run, rows: int, width: int) -> None:
    """Runs it on zeros, on nothing known, and on values of either sign; results must be shares."""
    spread = np.linspace(-1e3, 1e3, rows * width).reshape(rows, width)
    for vectors in (np.zeros((rows, width)), np.full((rows, width), math.nan), spread):
        try:
            result = run(vectors)
        except Exception as fault:  # as above
            raise SnapshotRefused("run", f"it fails on {rows} vectors: {fault}") from fault
        if result.shape != (rows,):
            raise SnapshotRefused("output", f"shape {result.shape} for {rows} vectors")
        if not bool(np.all((result >= 0) & (result <= 1))):
            raise SnapshotRefused("output", f"no probability: {result[:4].tolist()}")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
