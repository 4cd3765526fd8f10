"""A world to ask about: events in Redis, learners that have learned, and an endpoint over it."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from flows.run import run
from infra import processes, topics
from infra.producing import send
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models.learners import make
from schemas.dataset import load
from schemas.declare import Domain
from serving import server
from serving.service import Service
from tests.serving.endpoints import until


@dataclass
class World:
    """Six hours of flights in Redis, and a learner on the models topic."""

    settings: Settings
    domain: Domain
    requests: list[dict[str, Any]]

    def ask(self, url: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The endpoint's answer."""
        body = json.dumps(request).encode()
        sent = urllib.request.Request(
            f"{url}/predict", body, {"content-type": "application/json", "x-budget-ms": "20000"}
        )
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return dict(json.load(answer))

    @contextmanager
    def endpoint(self) -> Iterator[str]:
        """The endpoint in a thread of this process."""
        port = processes.free_port()
        settings = self.settings.model_copy(update={"http_port": port})
        service = Service(settings, self.domain)
        made = server.make(settings, self.domain, service)
        thread = threading.Thread(target=made.run)
        thread.start()
        try:
            until(lambda: made.started and not service.reasons())
            yield f"http://127.0.0.1:{port}"
        finally:
            made.should_exit = True
            thread.join()


def world(settings: Settings, domain: Domain) -> World:
    """Made of the first day of flights."""
    settings = settings.model_copy(update={"redis_timeout_ms": 10_000.0})
    topics.create_topics(settings, domain)
    stream = list(load("flights").replay(days=0.55))
    sender = Sender(settings, domain, registry(settings))
    for each in stream:
        if each.stream == "events":
            send(sender, domain, each)
    sender.flush()
    run("features", settings, until_end=True, domain=domain)
    publish(sender, domain)
    requests = [each.record for each in stream if each.stream == "requests"]
    return World(settings, domain, requests[-200:])


def publish(sender: Sender, domain: Domain) -> None:
    """Puts a learner that has learned from drawn examples on the models topic."""
    rng = np.random.default_rng(1)
    spec = next(spec for spec in domain.learners if spec.name == domain.served)
    learner = make(spec, domain, 1)
    for _ in range(200):
        vector = np.abs(rng.normal(0, 3, len(domain.vector_names)))
        vector[-len(domain.categories) :] = 1.0
        learner.learn(vector.tolist(), float(rng.random() < 0.3))
    graph = learner.export()
    snapshot = {
        "name": spec.name,
        "version": learner.examples,
        "time": 1_357_000_000_000,
        "domain": domain.name,
        "kind": spec.kind,
        "onnx": graph,
        "sha256": hashlib.sha256(graph).hexdigest(),
        "inputs": list(domain.vector_names),
        "checked": 0,
        "difference": 0.0,
        "metrics": {},
    }
    sender.send("models", "model", snapshot, spec.name)
    sender.flush()
