"""The cache follows the topic: newest fit snapshot of each learner, the old one when it is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from infra import topics
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from schemas.declare import Domain
from serving.model_cache import ModelCache

Snapshot = Callable[..., dict[str, Any]]


class Topic:
    """The models topic of a domain, to publish to."""

    def __init__(self, settings: Settings, domain: Domain) -> None:
        topics.create_topics(settings, domain)
        self.name = domain.topic("models")
        self.sender = Sender(settings, domain, registry(settings))

    def publish(self, *records: dict[str, Any], key: str | None = None) -> None:
        for record in records:
            self.sender.send("models", "model", record, key or record["name"])
        self.sender.flush()

    def publish_bytes(self, key: str, value: bytes | None) -> None:
        self.sender.send_bytes(self.name, key, value)
        self.sender.flush()


@pytest.fixture
def topic(settings: Settings, domain: Domain) -> Topic:
    return Topic(settings, domain)


@pytest.fixture
def cache(settings: Settings, domain: Domain, topic: Topic) -> Iterator[ModelCache]:
    made = ModelCache(settings, domain, registry(settings))
    yield made
    made.stop()


def _until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def _version(cache: ModelCache, name: str = "logistic") -> int | None:
    model = cache.models.get(name)
    return None if model is None else model.version


def _refused(reason: str) -> float:
    return REGISTRY.get_sample_value("headrace_snapshots_refused_total", {"reason": reason}) or 0.0


def test_base_rate_is_there_before_anything_is_read(cache: ModelCache) -> None:
    assert _version(cache, "base-rate") == 0
    assert not cache.caught_up.is_set()
    cache.start()


def test_empty_topic_is_read_to_its_end(cache: ModelCache) -> None:
    cache.start()
    assert cache.caught_up.wait(10)
    assert list(cache.models) == ["base-rate"]


def test_newest_of_each_learner_is_loaded_before_it_is_caught_up(
    domain: Domain, cache: ModelCache, topic: Topic, snapshot: Snapshot
) -> None:
    for version in (1, 2, 3):
        topic.publish(snapshot(domain, "logistic", version))
    topic.publish(snapshot(domain, "tree", 8), snapshot(domain, "base-rate", 9))
    cache.start()
    assert cache.caught_up.wait(10)
    found = {name: model.version for name, model in cache.models.items()}
    assert found == {"logistic": 3, "tree": 8, "base-rate": 9}


def test_later_snapshot_is_swapped_in(
    domain: Domain,
    cache: ModelCache,
    topic: Topic,
    snapshot: Snapshot,
    telling: Callable[[int], float],
) -> None:
    topic.publish(snapshot(domain, "logistic", 1))
    cache.start()
    assert cache.caught_up.wait(10)
    before = cache.models
    topic.publish(snapshot(domain, "logistic", 2))
    _until(lambda: _version(cache) == 2)
    assert before["logistic"].version == 1, "a mapping that is in use must not change"
    vectors = np.zeros((1, len(domain.vector_names)))
    assert cache.models["logistic"].run(vectors).tolist() == [telling(2)]
    assert [found["version"] for found in cache.documents()] == [0, 2]


@pytest.mark.parametrize("reason", ["sha256", "domain", "inputs", "graph", "width", "output"])
def test_unfit_snapshot_is_counted_and_the_old_one_stays(
    domain: Domain,
    cache: ModelCache,
    topic: Topic,
    snapshot: Snapshot,
    constant: Callable[..., bytes],
    reason: str,
) -> None:
    width = len(domain.vector_names)
    unfit: dict[str, tuple[Any, ...]] = {
        "sha256": (None, {"sha256": "0" * 64}),
        "domain": (None, {"domain": "payments"}),
        "inputs": (None, {"inputs": ["a", "b"]}),
        "graph": (constant(width, 0.5)[:-40], {}),
        "width": (constant(width + 1, 0.5), {}),
        "output": (constant(width, float("nan")), {}),
    }
    graph, changes = unfit[reason]
    topic.publish(snapshot(domain, "logistic", 1))
    cache.start()
    assert cache.caught_up.wait(10)
    before = _refused(reason)
    topic.publish(snapshot(domain, "logistic", 2, graph, **changes))
    _until(lambda: _refused(reason) == before + 1)
    assert _version(cache) == 1
    topic.publish(snapshot(domain, "logistic", 3))
    _until(lambda: _version(cache) == 3)


def test_bytes_that_are_no_snapshot_are_refused(
    domain: Domain, cache: ModelCache, topic: Topic, snapshot: Snapshot
) -> None:
    topic.publish(snapshot(domain, "logistic", 1))
    topic.publish_bytes("logistic", b"rubbish")
    topic.publish_bytes("logistic", b"\0\0\0\0\x07rubbish")
    cache.start()
    assert cache.caught_up.wait(10)
    assert _version(cache) == 1


def test_snapshot_under_another_key_is_refused(
    domain: Domain, cache: ModelCache, topic: Topic, snapshot: Snapshot
) -> None:
    before = _refused("key")
    topic.publish(snapshot(domain, "tree", 5), key="logistic")
    cache.start()
    assert cache.caught_up.wait(10)
    assert _refused("key") == before + 1
    assert list(cache.models) == ["base-rate"]


def test_withdrawn_model_is_gone_and_the_base_rate_returns(
    domain: Domain, cache: ModelCache, topic: Topic, snapshot: Snapshot
) -> None:
    topic.publish(snapshot(domain, "logistic", 1), snapshot(domain, "base-rate", 1))
    cache.start()
    assert cache.caught_up.wait(10)
    topic.publish_bytes("logistic", None)
    topic.publish_bytes("base-rate", None)
    _until(lambda: _version(cache) is None and _version(cache, "base-rate") == 0)


def test_topic_made_later_is_read_once_it_exists(
    settings: Settings, domain: Domain, snapshot: Snapshot
) -> None:
    cache = ModelCache(settings, domain, registry(settings))
    cache.start()
    try:
        assert not cache.caught_up.wait(1)
        Topic(settings, domain).publish(snapshot(domain, "logistic", 4))
        assert cache.caught_up.wait(20)
        _until(lambda: _version(cache) == 4)
    finally:
        cache.stop()


def test_readers_never_see_half_a_swap(
    domain: Domain, cache: ModelCache, topic: Topic, snapshot: Snapshot
) -> None:
    topic.publish(snapshot(domain, "logistic", 1))
    cache.start()
    assert cache.caught_up.wait(10)
    wrong: list[str] = []
    stop = threading.Event()
    vectors = np.zeros((1, len(domain.vector_names)))

    def read() -> None:
        while not stop.is_set():
            model = cache.models["logistic"]
            if model.run(vectors)[0] != model.version / 1_000_000:
                wrong.append(f"{model.version}")

    reader = threading.Thread(target=read)
    reader.start()
    for version in range(2, 22):
        topic.publish(snapshot(domain, "logistic", version))
    _until(lambda: _version(cache) == 21)
    stop.set()
    reader.join()
    assert wrong == []
