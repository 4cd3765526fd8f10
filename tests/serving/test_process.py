"""The endpoint as a process: what it waits for at its start, and what it loses at its end."""

from __future__ import annotations

import http.client
import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from infra import processes, topics
from infra.settings import STACK_FILE, Settings, child_environment
from infra.stack import ENDPOINT, Stack
from infra.stack_file import alive
from schemas import domains
from tests.serving.endpoints import Live, Load, question, running, until

DOMAIN = domains.load("flights")


def test_a_clean_stop_under_load_loses_no_prediction(tmp_path: Path) -> None:
    with running(tmp_path / "home") as live:
        load = Load(live, "stopped")
        with load.on(8):
            until(lambda: len(load.answers) > 300)
            live.stack.stop("endpoint")  # SIGTERM, and waits
        logged = live.predictions()
    answered = Counter(answer["id"] for answer in load.answers)
    assert len(load.answers) > 300
    assert max(answered.values()) == 1
    assert load.refused == []
    assert answered.keys() <= logged.keys()
    assert all(len(records) == 1 for records in logged.values())
    # A connection may end after its answer was made and before the client has read it.
    assert len(logged) - len(answered) <= load.broken
    for answer in load.answers:
        [record] = logged[answer["id"]]
        assert record["probability"] == answer["probability"]
        assert len(record["vector"]) == len(DOMAIN.vector_names)


@pytest.fixture
def alone(tmp_path: Path) -> tuple[Settings, int, int]:
    """Settings of a stack in which nothing listens yet, and the ports of broker and Redis."""
    broker, redis, http_port = (processes.free_port() for _ in range(3))
    settings = Settings(
        home=tmp_path / "home",
        kafka=f"127.0.0.1:{broker}",
        redis=f"redis://127.0.0.1:{redis}/0",
        http_port=http_port,
    )
    return settings, broker, redis


def test_started_by_hand_it_takes_the_place_of_the_stacks_that_has_ended(
    alone: tuple[Settings, int, int], tmp_path: Path
) -> None:
    settings = alone[0].model_copy(update={"http_port": 0})
    ended = {"name": ENDPOINT, "pid": 2**22, "started": 1.0, "log": "old.log"}
    settings.home.mkdir()
    (settings.home / STACK_FILE).write_text(json.dumps({"processes": [ended]}))
    command = [sys.executable, "-m", "headrace", "serve"]
    child = processes.start(command, tmp_path / "log", environment=child_environment(settings))
    try:
        until(lambda: bool(alive(settings.home)))
        (running,) = alive(settings.home)
    finally:
        processes.stop(child)
    assert running.pid == child.pid
    assert running.metrics == f"{settings.endpoint}/metrics"
    assert settings.endpoint != f"http://127.0.0.1:{settings.http_port}"


def test_it_is_not_ready_until_redis_answers_and_the_models_are_read(
    alone: tuple[Settings, int, int], tmp_path: Path
) -> None:
    settings, broker_port, redis_port = alone
    log = tmp_path / "serve.log"
    command = [sys.executable, "-m", "headrace", "serve"]
    live = Live(Stack(settings))
    started = [processes.start(command, log, environment=child_environment(settings))]
    try:
        until(lambda: processes.listens(settings.http_port))
        _says(live, "Redis has not answered", "models topic is not read", "log is not open")
        assert live.get("/healthz").status == 200
        shed = live.predict(question())
        assert (shed.status, "starting" in shed.json["error"]) == (503, True)

        started.append(processes.start_broker(broker_port, tmp_path / "broker.log"))
        topics.create_topics(settings, DOMAIN)
        until(lambda: live.get("/readyz").json["reasons"] == ["Redis has not answered yet"])
        assert live.get("/readyz").status == 503

        started.append(processes.start_redis(redis_port, tmp_path / "r", tmp_path / "redis.log"))
        until(lambda: live.get("/readyz").status == 200)
        assert live.get("/readyz").json["redis"] == "answers"
        assert live.predict(question()).json["degraded"] == ["model:base-rate"]
    finally:
        for each in started:
            processes.stop(each)
    assert started[0].returncode == 0, log.read_text()
    with pytest.raises((OSError, http.client.HTTPException)):
        live.get("/healthz")


def _says(live: Live, *reasons: str) -> None:
    reply = live.get("/readyz")
    assert (reply.status, reply.json["ready"]) == (503, False)
    for expected in reasons:
        assert any(expected in said for said in reply.json["reasons"])
