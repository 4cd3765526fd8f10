"""Streamed requests: the endpoint's answers, nothing lost over a restart, and bounded reading."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from infra import inspection, kafka, topics
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings, SettingsError
from schemas import domains
from serving import stream
from serving.faust_app import app_of, credentials
from serving.stream import Streaming
from tests.serving.worlds import World, world

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def made(broker: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    home = tmp_path_factory.mktemp("stream")
    domain = dataclasses.replace(domains.load("flights"), name=f"flightsstream{os.getpid()}")
    return world(Settings(kafka=broker, redis=redis_url, home=home), domain)


def produce(made: World, requests: list[dict[str, Any]]) -> None:
    sender = Sender(made.settings, made.domain, registry(made.settings))
    for request in requests:
        sender.send("requests", "request", request, request["id"])
    sender.flush()


def predictions(made: World) -> list[dict[str, Any]]:
    return list(inspection.read(made.settings, made.domain, "predictions"))


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """A prediction with NaN as something that equals itself, without what a clock gave."""
    vector = [str(value) for value in record["vector"]]
    rest = {n: v for n, v in record.items() if not n.endswith("ms")}
    return {**rest, "vector": vector, "probability": round(record["probability"], 12)}


async def eventually(true: Callable[[], bool], seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if await asyncio.to_thread(true):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about")


async def streaming(made: World, work: Callable[[Streaming], Coroutine[Any, Any, None]]) -> None:
    """Runs a streaming process while `work` goes on; then stops it as a signal does."""
    stop, process = asyncio.Event(), Streaming(made.settings, made.domain)
    running = asyncio.create_task(process.run(stop))
    try:
        await work(process)
    finally:
        stop.set()
        await running


def test_answers_are_the_endpoints_and_bad_requests_are_buried(made: World) -> None:
    with made.endpoint() as url:
        for request in made.requests:
            made.ask(url, request)
    by_http = {record["id"]: comparable(record) for record in predictions(made)}
    assert len(by_http) == len(made.requests)
    before = len(predictions(made))
    produce(made, made.requests[:150])
    bad = {**made.requests[0], "id": "bad", "dest": ""}
    produce(made, [bad, {**made.requests[1], "id": None, "at": None}])
    sender = Sender(made.settings, made.domain, registry(made.settings))
    sender.send_bytes(made.domain.topic("requests"), None, b"garbage")
    sender.flush()

    async def first(process: Streaming) -> None:
        await eventually(lambda: len(predictions(made)) >= before + 151)

    async def rest(process: Streaming) -> None:
        produce(made, made.requests[150:])
        await eventually(lambda: len(predictions(made)) >= before + 201)

    asyncio.run(streaming(made, first))
    asyncio.run(streaming(made, rest))
    answered = predictions(made)
    of_each = Counter(record["id"] for record in answered)
    assert {of_each[id_] for id_ in by_http} == {2}, "committed once delivered: none came again"
    streamed = [record for record in answered if comparable(record) != by_http.get(record["id"])]
    [unnamed] = streamed
    assert unnamed["id"].startswith(made.domain.topic("requests") + "/")
    letters = list(inspection.read(made.settings, made.domain, "dead-letters"))
    assert Counter(letter["reason"] for letter in letters) == {"bad_request": 1, "not_avro": 1}
    assert "dest" in next(x["detail"] for x in letters if x["reason"] == "bad_request")


@pytest.mark.slow
def test_reading_stops_while_answers_cannot_be_delivered_and_nothing_is_committed(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = dataclasses.replace(made.domain, name=f"{made.domain.name}slow")
    topics.create_topics(made.settings, domain)
    slow = World(made.settings, domain, made.requests)
    many = [{**r, "id": f"{r['id']}-{n}"} for n in range(4) for r in made.requests]
    produce(slow, many)
    read: list[int] = []
    original = Streaming._read
    monkeypatch.setattr(stream, "IN_FLIGHT", 50)

    def counted(process: Streaming, partition: int, raw: Any) -> Any:
        read.append(raw.offset)
        return original(process, partition, raw)

    monkeypatch.setattr(Streaming, "_read", counted)

    def refuse(_: Streaming) -> None:
        raise kafka.Undelivered("the disk is full")

    async def stuck() -> None:
        held = asyncio.Event()

        async def hold(_: Any) -> None:
            await held.wait()

        process = Streaming(slow.settings, domain)
        monkeypatch.setattr(process, "_flush", lambda: refuse(process))
        deliver = process._deliver

        async def late() -> None:
            await hold(None)
            await deliver()

        monkeypatch.setattr(process, "_deliver", late)
        running = asyncio.create_task(process.run(asyncio.Event()))
        await eventually(lambda: len(read) >= 50)
        await asyncio.sleep(0.5)
        assert len(read) == 50
        held.set()
        with pytest.raises(kafka.Undelivered, match="the disk is full"):
            await running

    asyncio.run(stuck())
    monkeypatch.undo()

    async def all_of_them(process: Streaming) -> None:
        await eventually(lambda: {p["id"] for p in predictions(slow)} >= {r["id"] for r in many})

    asyncio.run(streaming(slow, all_of_them))


def test_options_that_faust_does_not_have_are_named() -> None:
    assert credentials({"log_level": 0}) is None
    assert credentials({"security.protocol": "SASL_SSL", "sasl.username": "a"}) is not None
    with pytest.raises(SettingsError, match=r"no 'sasl.oauthbearer.config'"):
        credentials({"sasl.oauthbearer.config": "x"})


def test_the_settings_reach_faust(tmp_path: Path) -> None:
    given = {"security.protocol": "SASL_PLAINTEXT", "sasl.username": "a", "sasl.password": "b"}
    settings = Settings(kafka="one:1,two:2", kafka_options=given, home=tmp_path)
    conf = app_of(settings, "group", 7).conf
    assert (conf.broker_credentials.username, conf.broker_credentials.password) == ("a", "b")
    assert [str(url) for url in conf.broker] == ["kafka://one:1", "kafka://two:2"]
    assert (conf.id, conf.broker_max_poll_records, conf.stream_buffer_maxsize) == ("group", 7, 7)
