"""Windows per user in Bytewax as its guide has one write them: item by item."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import bytewax.operators as op
import redis
from bytewax._bytewax import run_main
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition

import streamed
from streamed import SPEC


def decode(message):
    return streamed.decode(message.value)


def user_of(record):
    return record["user"]


def update(rings, record):
    rings = rings or streamed.blank()
    streamed.add(rings, record)
    return rings, streamed.features(rings)


class RedisPart(StatelessSinkPartition):
    """One HSET a record; those of a batch go in one pipeline."""

    def __init__(self):
        self._redis = redis.Redis.from_url(SPEC["redis"])

    def write_batch(self, items):
        pipe = self._redis.pipeline(transaction=False)
        for user, features in items:
            pipe.hset(SPEC["prefix"] + user, mapping=features)
        pipe.execute()


class RedisSink(DynamicSink):
    def build(self, step_id, worker_index, worker_count):
        return RedisPart()


flow = Dataflow("idiomatic")
messages = op.input("events", flow, KafkaSource([SPEC["brokers"]], [SPEC["topic"]], tail=False))
records = op.map("decode", messages, decode)
keyed = op.key_on("user", records, user_of)
features = op.stateful_map("windows", keyed, update)
op.output("redis", features, RedisSink())

if __name__ == "__main__":
    meter = streamed.Meter()
    meter.start()
    run_main(flow)
    meter.mark()
    meter.tell()
