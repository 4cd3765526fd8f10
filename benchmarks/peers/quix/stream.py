"""Windows per user in Quix Streams as people write them: state per key, and its own Redis sink."""

import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

from quixstreams import Application
from quixstreams.models.serializers.avro import AvroDeserializer
from quixstreams.sinks.community.redis import RedisSink

import streamed
from streamed import SPEC

meter = streamed.Meter()


class WireAvro(AvroDeserializer):
    """Avro behind the five bytes of Confluent's header, without asking a registry."""

    def __call__(self, value, ctx):
        return super().__call__(value[5:], ctx)


def update(record, state):
    meter.start()
    rings = state.get("rings") or streamed.blank()
    streamed.add(rings, record)
    state.set("rings", rings)
    return streamed.features(rings)


class Sink(RedisSink):
    def write(self, batch):
        super().write(batch)
        meter.mark()


def run(folder):
    address = urlsplit(SPEC["redis"])
    app = Application(
        broker_address=SPEC["brokers"],
        consumer_group=SPEC["prefix"],
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="WARNING",
        consumer_extra_config={"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
    )
    topic = app.topic(
        SPEC["topic"], key_deserializer="str", value_deserializer=WireAvro(SPEC["schema"])
    )
    # The embedded broker does not tell it, and the changelog cannot be made without.
    topic.broker_config.extra_config.setdefault("retention.ms", "-1")
    windows = app.dataframe(topic).apply(update, stateful=True)
    windows.sink(
        Sink(
            address.hostname,
            address.port,
            0,
            key_serializer=lambda user, _: SPEC["prefix"] + user,
        )
    )
    app.run(count=SPEC["events"], collect=False)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=Path(os.environ["SPEC"]).parent) as folder:
        run(folder)
    meter.tell()
