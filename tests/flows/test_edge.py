"""The newest record of a partition is seen in passing; then nothing more is asked of the broker."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from flows import edge
from flows.edge import Edge
from infra import kafka, registry
from tests.flows.logs import Log

PARTITION = 1


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Consumer]:
    """The clients that are made from now on."""
    made: list[Consumer] = []
    make = kafka.consumer

    def noted(*args: Any, **options: Any) -> Consumer:
        made.append(make(*args, **options))
        return made[-1]

    monkeypatch.setattr(kafka, "consumer", noted)
    return made


def write(log: Log, said: str) -> None:
    producer = Producer(kafka.options(log.settings))
    producer.produce(log.domain.topic("events"), said.encode(), partition=PARTITION)
    assert producer.flush(20) == 0


def seen(looking: Edge, end: int, said: str) -> bool:
    """Whether it comes to see this record, which is the newest before `end`."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        newest = looking.newest(end)
        if newest is not None and newest.value == said.encode():
            return True
        time.sleep(0.01)
    return False


def test_the_newest_record_is_seen_and_its_client_rests_until_the_next_look(
    log: Log, clients: list[Consumer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "EVERY", 0.3)
    looking = Edge(log.settings, log.domain.topic("events"), PARTITION)
    assert looking.newest(0) is None
    assert not clients, "of an empty partition nothing is asked"
    for end, said in enumerate(("first", "second"), start=1):
        write(log, said)
        assert seen(looking, end, said)
        [client] = clients
        assert not client.assignment()
    looking.close()


def test_a_reader_that_reached_the_end_itself_stops_the_look(
    log: Log, clients: list[Consumer]
) -> None:
    write(log, "first")
    looking = Edge(log.settings, log.domain.topic("events"), PARTITION)
    assert looking.newest(1) is None, "it never waits"
    [client] = clients
    assert client.assignment()
    looking.rest()
    assert not client.assignment()
    looking.close()


def test_schemas_once_read_are_asked_for_no_more(log: Log, clients: list[Consumer]) -> None:
    known = registry.TopicRegistry(log.settings)
    known.refresh()
    [client] = clients
    assert not client.assignment()
    known.close()
