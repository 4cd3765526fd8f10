"""The bare loops: what is left of the work when nothing is asked of a framework.

`STEP` says how far to go: consume, decode, windows, or sink (the newest of each user of a batch as
one MSET of packed features).
"""

import os
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import redis
from confluent_kafka import Consumer, KafkaError, TopicPartition

import streamed
from streamed import SPEC

BATCH = 2_000
PACKED = struct.Struct(f"<{len(streamed.NAMES)}d")
STEP = os.environ["STEP"]


def batches():
    """Values of the topic's only partition, up to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": SPEC["brokers"],
            "group.id": "loop",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 40,
            "fetch.message.max.bytes": 4 * 2**20,
        }
    )
    consumer.assign([TopicPartition(SPEC["topic"], 0, 0)])
    ended = False
    while not ended:
        values = []
        for message in consumer.consume(BATCH, 0.05):
            if message.error() is None:
                values.append(message.value())
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended = True
            else:
                raise RuntimeError(message.error())
        yield values
    consumer.close()


def run(client):
    """Goes as far as `STEP`; gives the tiles of every user."""
    users = {}
    for values in batches():
        if STEP == "consume":
            continue
        touched = set()
        for value in values:
            record = streamed.decode(value)
            if STEP == "decode":
                continue
            user = record["user"]
            rings = users.get(user)
            if rings is None:
                rings = users[user] = streamed.blank()
            streamed.add(rings, record)
            touched.add(user)
        if STEP == "sink" and touched:
            client.mset({SPEC["prefix"] + user: packed(users[user]) for user in touched})
    return users


def packed(rings):
    return PACKED.pack(*streamed.features(rings).values())


if __name__ == "__main__":
    client = redis.Redis.from_url(SPEC["redis"])
    meter = streamed.Meter()
    meter.start()
    users = run(client)
    meter.mark()
    if STEP == "windows":  # for the check, when the time is taken
        client.mset({SPEC["prefix"] + user: packed(rings) for user, rings in users.items()})
    meter.tell()
