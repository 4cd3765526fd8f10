"""A real Redis Cluster of three nodes, and a Schema Registry that speaks Confluent's REST API."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import redis

from infra import processes

SLOTS = 16_384


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of three masters that share the slots."""
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as running:
        ports = [_node(folder / str(number), running) for number in range(3)]
        _share_slots(ports)
        yield f"redis+cluster://127.0.0.1:{ports[0]}"


def _node(folder: Path, running: ExitStack) -> int:
    port, log = _port(), folder / "redis.log"
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
    process = processes.start_redis(port, folder, log, options=options)
    running.callback(processes.stop, process)
    processes.wait_until(lambda: processes.redis_answers(port), process, log)
    return port


def _port() -> int:
    """A free port whose bus, 10,000 above, is free as well: below those of outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(12_000, 22_000)
        if not processes.listens(port) and not processes.listens(port + 10_000):
            return port


def _share_slots(ports: list[int]) -> None:
    nodes: list[Any] = [redis.Redis(port=port, decode_responses=True) for port in ports]
    edges = [SLOTS * part // len(nodes) for part in range(len(nodes) + 1)]
    for node, first, end in zip(nodes, edges, edges[1:], strict=False):
        node.execute_command("CLUSTER", "ADDSLOTS", *range(first, end))
        node.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
    deadline = time.monotonic() + 20
    while {node.cluster("info")["cluster_state"] for node in nodes} != {"ok"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for node in nodes:
        node.close()


@dataclass
class FakeRegistry:
    """What the server holds and was asked; `user` is the pair that it lets in, all where None."""

    url: str = ""
    schemas: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    user: str | None = None

    def answer(self, method: str, path: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body, as Confluent's API reference has them."""
        self.asked.append(f"{method} {path}")
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if method == "POST" and parts[0] == "subjects" and parts[2:] == ["versions"]:
            if parts[1] in self.refused:
                return 409, {"error_code": 409, "message": f"{parts[1]}: incompatible"}
            if body["schema"] not in self.schemas:
                self.schemas.append(body["schema"])
            return 200, {"id": self.schemas.index(body["schema"]) + 1}
        if method == "GET" and parts[:2] == ["schemas", "ids"]:
            number = int(parts[2])
            if 0 < number <= len(self.schemas):
                return 200, {"schema": self.schemas[number - 1]}
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


@pytest.fixture
def confluent() -> Iterator[FakeRegistry]:
    """A server that answers as Confluent's and Redpanda's registries do."""
    held = FakeRegistry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(held))
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(held: FakeRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._reply(json.loads(self.rfile.read(length)))

        def log_message(self, format: str, *args: Any) -> None:
            return

        def _reply(self, body: dict[str, str]) -> None:
            status, answer = held.answer(self.command, self.path, body)
            if held.user is not None and self.headers.get("Authorization") != held.user:
                status, answer = 401, {"error_code": 40101, "message": "Unauthorized"}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
