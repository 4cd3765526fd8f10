"""Windows per user in Faust as people write them: an agent, a table, an HSET a record."""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import faust
import redis.asyncio as redis
from faust.serializers import codecs

import streamed
from streamed import SPEC


class WireAvro(faust.Codec):
    def _loads(self, data):
        return streamed.decode(data)


codecs.register("wire-avro", WireAvro())
folder = tempfile.TemporaryDirectory(dir=Path(os.environ["SPEC"]).parent)
app = faust.App(
    "peer-" + SPEC["prefix"].strip(":"),
    broker="kafka://" + SPEC["brokers"],
    datadir=folder.name,
    web_enabled=False,
    worker_redirect_stdouts=False,
    topic_partitions=1,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=6.0,
    broker_heartbeat_interval=2.0,
)
visits = app.topic(SPEC["topic"], key_type=str, key_serializer="raw", value_serializer="wire-avro")
windows = app.Table("windows", default=streamed.blank)
client = redis.Redis.from_url(SPEC["redis"])
meter = streamed.Meter()


@app.agent(visits)
async def update(stream):
    seen = 0
    async for record in stream:
        meter.start()
        user = record["user"]
        rings = windows[user]
        streamed.add(rings, record)
        windows[user] = rings
        await client.hset(SPEC["prefix"] + user, mapping=streamed.features(rings))
        seen += 1
        if seen == SPEC["events"]:
            meter.mark()
            meter.tell()
            folder.cleanup()
            os._exit(0)  # an agent cannot wait for its own app to stop


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel", "warn"]
    app.main()
