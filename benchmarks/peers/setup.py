"""Peers of the endpoint: their environments, their data, their processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import redis

from benchmarks.load.plan import SLOT
from benchmarks.own_stack import Prepared
from benchmarks.peers import feast_service
from infra import inspection, processes
from infra.feature_store import FeatureStore
from online_models.features.blobs import read_blob
from online_models.features.finalise import features_at
from online_models.features.layout import layouts_of

FOLDER = Path(__file__).parent
_READY_S = 120.0


class PeerError(RuntimeError):
    """A peer could not be installed or started, or gave another probability than the endpoint."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that does the same work; `wrap` makes its body of a request's."""

    name: str
    title: str
    path: str = "/predict"
    check: str = "headrace"
    wrap: Callable[[bytes], bytes] = bytes
    ready: str = "/docs"
    own_environment: bool = True


def _v2(body: bytes) -> bytes:
    """A V2 inference request with the request as text in it."""
    request = msgspec.json.decode(body)
    text = msgspec.json.encode({**request, "id": ""}).decode()
    part = {"name": "request", "shape": [1], "datatype": "BYTES", "data": [text]}
    return msgspec.json.encode({"id": SLOT.decode(), "inputs": [part]})


PEERS = (
    Peer("fastapi", "FastAPI + redis-py + ONNX"),
    Peer("mlserver", "MLServer, custom runtime", "/v2/models/flights/infer",
         "benchmarks.load.answers:v2", _v2, "/v2/models/flights/ready"),
    Peer("bentoml", "BentoML", ready="/readyz"),
    Peer("feast", "Feast's server, features only", "/get-online-features",
         "benchmarks.peers.feast_service:check", feast_service.question, "/health"),
)  # fmt: skip
ECHO = Peer("echo", "floor: uvicorn echo", check="status", ready="/", own_environment=False)


def interpreter(peer: Peer, environments: Path) -> Path:
    """The Python of the peer's environment, which is made where it is not there as pinned.

    Raises PeerError with pip's words.
    """
    if not peer.own_environment:
        return Path(sys.executable)
    pinned = FOLDER / peer.name / "requirements.txt"
    home = (environments / peer.name).absolute()
    stamp = home / "installed.txt"
    if not (stamp.exists() and stamp.read_text() == pinned.read_text()):
        _checked([sys.executable, "-m", "venv", "--clear", str(home)])
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _checked([*pip, "--disable-pip-version-check", "-r", str(pinned)])
        stamp.write_text(pinned.read_text())
    return home / "bin" / "python"


def _checked(command: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="headrace-install-") as folder:  # pip's own go with it
        environment = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2_000:]}")


@contextmanager
def running(peer: Peer, alone: Prepared, environments: Path, spec: Path) -> Iterator[str]:
    """The peer as one process; gives its URL. Raises PeerError, StartError."""
    python = interpreter(peer, environments)
    port = processes.free_port()
    log = Path(alone.settings.home) / "logs" / f"{peer.name}-{port}.log"
    own = {"PORT": str(port), "SPEC": str(spec), "TMPDIR": str(spec.parent)}
    command = [str(python), str(FOLDER / peer.name / "server.py")]
    process = processes.start(command, log, environment={**os.environ, **own})
    try:
        base = f"http://127.0.0.1:{port}"
        ready = base + peer.ready
        processes.wait_until(lambda: processes.http_answers(ready), process, log, _READY_S)
        yield base + peer.path
    finally:
        processes.stop(process, 10.0)


def prepare(alone: Prepared, bodies: Sequence[bytes], folder: Path) -> Path:
    """Puts the same features and the served model where peers find them; gives the spec's path.

    Features are written as Redis hashes of values by name, finalised at the time asked about.
    """
    graph = folder / "model.onnx"
    graph.write_bytes(served_record(alone)["onnx"])
    requests = [msgspec.json.decode(body) for body in bodies]
    entities = _materialise(alone, requests)
    spec = {"redis": alone.settings.redis_url, "model": str(graph), "entities": entities}
    path = folder / "spec.json"
    path.write_bytes(msgspec.json.encode(spec))
    return path


def served_record(alone: Prepared) -> dict[str, Any]:
    """The newest record of `model.avsc` of the served learner."""
    found = inspection.models(alone.settings, alone.domain)
    return next(each for each in found if each["name"] == alone.domain.served)


def _materialise(alone: Prepared, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    store = FeatureStore(alone.settings, alone.domain)
    client = redis.Redis.from_url(alone.settings.redis_url)
    at = np.array([alone.at], np.int64)
    told = []
    for entity in alone.domain.entities:
        layout = layouts_of(alone.domain)[entity.name]
        keys = sorted({key for request in requests if (key := entity.key_of(request))})
        names = [f"{number}_{feature.name}" for number, feature in enumerate(entity.features)]
        blobs = store.read([(entity.name, key) for key in keys])
        for key, blob in zip(keys, blobs, strict=True):
            row = layout.blank() if blob is None else read_blob(layout, blob)[0]
            values = features_at(layout, row[None], at)[0].tolist()
            fields = {name: repr(value) for name, value in zip(names, values, strict=True)}
            client.hset(f"peer:{entity.name}:{key}", mapping=fields)  # type: ignore[arg-type]
        blank = features_at(layout, layout.blank()[None], at)[0].tolist()
        defaults = [value if value == value else None for value in blank]
        told.append(
            {"name": entity.name, "key": list(entity.key), "features": names, "defaults": defaults}
        )
    store.close()
    client.close()
    return told
