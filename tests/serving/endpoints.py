"""A client for the real endpoint, events for its real features flow, and load to put on it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra import inspection
from infra.feature_store import FeatureStore
from infra.producing import send
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from infra.stack import Stack
from schemas import domains
from schemas.dataset import Stamped
from serving.requests import Requests

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Live:
    """A running stack with an endpoint."""

    stack: Stack

    @property
    def settings(self) -> Settings:
        return self.stack.settings

    @property
    def url(self) -> str:
        return self.settings.endpoint

    @property
    def log(self) -> str:
        return (self.settings.home / "logs/endpoint.log").read_text()

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request over a connection of its own."""
        place = urlsplit(self.url)
        client = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
        try:
            client.request(method, path, body, dict(headers or {}))
            answer = client.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, told, answer.read())
        finally:
            client.close()

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def predict(self, body: Mapping[str, Any] | bytes, **headers: str) -> Reply:
        """Asks; where no budget is given, one that a loaded machine keeps."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", "/predict", sent, {**JSON, "x-budget-ms": "10000", **named})

    def raw(self, data: bytes, half_closed: bool = True) -> bytes:
        """Bytes as they are, on a socket that is then half closed; all that comes back."""
        place = urlsplit(self.url)
        with socket.create_connection((str(place.hostname), int(place.port or 0)), 20) as client:
            client.sendall(data)
            if half_closed:
                client.shutdown(socket.SHUT_WR)
            parts = []
            while part := client.recv(65_536):
                parts.append(part)
        return b"".join(parts)

    def metric(self, sample: str) -> float:
        """The value of a sample of /metrics, written as it stands there; 0 where it is not."""
        for line in self.get("/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0

    def predictions(self) -> dict[str, list[dict[str, Any]]]:
        """The records on the predictions topic, by id."""
        found: dict[str, list[dict[str, Any]]] = {}
        domain = domains.load("flights")
        for record in inspection.read(self.settings, domain, "predictions"):
            found.setdefault(record["id"], []).append(record)
        return found

    def logged(self, asked: str) -> list[dict[str, Any]]:
        """The records of one question, once there is one: the endpoint does not wait for them."""
        until(lambda: asked in self.predictions())
        return self.predictions()[asked]

    def publish(self, *snapshots: Mapping[str, Any], key: str | None = None) -> None:
        """Puts records of `model.avsc` on the models topic."""
        sender = Sender(self.settings, domains.load("flights"), registry(self.settings))
        for each in snapshots:
            sender.send("models", "model", each, key or each["name"])
        sender.flush()

    def apply(self, *events: Stamped) -> None:
        """Produces events and waits until the features flow has them in Redis."""
        domain = domains.load("flights")
        sender = Sender(self.settings, domain, registry(self.settings))
        for event in events:
            send(sender, domain, event)
        sender.flush()
        store = FeatureStore(self.settings, domain)
        ends = {partition: end for (_, partition), end in sender.positions.items()}
        until(lambda: not store.behind(ends))
        store.close()


def question(**changes: Any) -> dict[str, Any]:
    """The example request of flights, changed; None takes a field away."""
    asked = {**Requests(domains.load("flights")).example(), **changes}
    return {name: value for name, value in asked.items() if value is not None}


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits for something to come about."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@dataclass
class Load:
    """Clients that ask one question after the other, each over a connection that it keeps."""

    live: Live
    name: str
    answers: list[dict[str, Any]] = field(default_factory=list)
    """The answers with status 200, in the order in which they came."""
    refused: list[str] = field(default_factory=list)
    broken: int = 0
    """Questions whose connection ended before the answer was whole."""
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def on(self, clients: int) -> Iterator[None]:
        """Asks until the block ends."""
        asking = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]
        for each in asking:
            each.start()
        try:
            yield
        finally:
            self._stop.set()
            for each in asking:
                each.join()

    def _ask(self, client: int) -> None:
        place = urlsplit(self.live.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
        number = 0
        while not self._stop.is_set():
            asked = question(id=f"{self.name}-{client}-{number}")
            number += 1
            try:
                connection.request(
                    "POST", "/predict", json.dumps(asked), {**JSON, "x-budget-ms": "10000"}
                )
                answer = connection.getresponse()
                self._note(answer.status, answer.read())
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                self._stop.wait(0.02)
        connection.close()

    def _note(self, status: int, body: bytes) -> None:
        if status == 200:
            self.answers.append(json.loads(body))
        else:
            self.refused.append(f"{status} {body.decode()}")


@contextmanager
def running(home: Path, flows: tuple[str, ...] = (), **given: Any) -> Iterator[Live]:
    """A whole stack of its own with an endpoint and these flows, patient on a loaded machine."""
    settings = Settings(home=home, http_port=0, redis_timeout_ms=5_000, **given)
    with Stack(settings, flows=flows) as stack:
        yield Live(stack)
