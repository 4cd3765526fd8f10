"""One client reads many partitions: each in its order and whole, whichever is taken from."""

from __future__ import annotations

import random
import time

import pytest
from confluent_kafka import Producer

from flows import fetcher
from flows.fetcher import Fetcher, Place
from infra import kafka
from tests.flows.logs import Log

RECORDS = 3_000


def written(log: Log, stream: str) -> list[Place]:
    """The partitions of a stream, each with as many records, the n-th of which says n."""
    topic = log.domain.topic(stream)
    places = [(topic, p) for p in range(kafka.partitions_of(log.settings, topic))]
    producer = Producer(kafka.options(log.settings))
    for number in range(RECORDS):
        for _, partition in places:
            producer.produce(topic, str(number).encode(), partition=partition)
        producer.poll(0)
    assert producer.flush(20) == 0
    return places


def first_of(client: Fetcher, place: Place) -> int:
    message = client.wait(place, 10)
    assert message is not None
    return int(message.value())


@pytest.mark.parametrize("ahead", [100, fetcher.AHEAD])
def test_every_partition_is_read_whole_and_in_order_and_its_end_is_told(
    log: Log, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one is taken from so seldom that it is paused again and again."""
    monkeypatch.setattr(fetcher, "AHEAD", ahead)
    monkeypatch.setattr(fetcher, "AT_ONCE", 60)
    draw, places = random.Random(1), [*written(log, "events"), *written(log, "labels")]
    client = Fetcher(log.settings, wait_ms=20)
    for place in places:
        client.begin(place, client.oldest(place))
    read: dict[Place, list[int]] = {place: [] for place in places}
    ended: set[Place] = set()
    deadline = time.monotonic() + 30
    while len(ended) < len(places) and time.monotonic() < deadline:
        place = draw.choices(places, weights=[1, *[20] * (len(places) - 1)])[0]
        for message in client.take(place, draw.randrange(1, 80)):
            assert (message.topic(), message.partition()) == place
            if message.error() is None:
                read[place].append(int(message.value()))
            else:
                ended.add(place)
    assert ended == {*places}
    assert all(found == list(range(RECORDS)) for found in read.values())
    for place in places:
        client.end_reading(place)


def test_a_partition_is_left_and_read_again_beside_another(log: Log) -> None:
    first, second, *_ = written(log, "events")
    client = Fetcher(log.settings, wait_ms=20)
    client.begin(first, 0)
    client.begin(second, 7)
    with pytest.raises(ValueError, match=rf"{first[0]}/{first[1]} is being read already"):
        client.begin(first, 5)
    assert [first_of(client, place) for place in (first, second)] == [0, 7]
    client.end_reading(first)
    client.begin(first, 1_000)
    assert first_of(client, first) == 1_000
    client.end_reading(first)
    deadline = time.monotonic() + 30
    read: list[int] = []
    while len(read) < RECORDS - 8 and time.monotonic() < deadline:
        found = client.take(second, 500)
        read += [int(message.value()) for message in found if message.error() is None]
    assert read == list(range(8, RECORDS))
    client.end_reading(second)
    client.begin(first, 2_999)  # the client was closed with its last partition, and is made anew
    assert first_of(client, first) == 2_999
    client.end_reading(first)
