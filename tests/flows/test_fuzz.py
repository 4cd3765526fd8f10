"""Broken bytes in every input: no flow dies, and exactly the unusable ones are dead letters."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader

from benchmarks.workloads import visits
from flows.run import run
from infra import kafka
from schemas.avro import CORE, Codec, frame
from schemas.declare import DAY
from tests.flows.logs import Log, ask

INPUTS = {"events": "visit", "predictions": "prediction", "labels": "label"}


def valid(log: Log, number: int) -> dict[str, list[bytes]]:
    """Framed records of each input."""
    asked = ask(log.domain, number)
    records = {
        "events": list(visits(number)),
        "predictions": asked.predictions,
        "labels": [{**label, "id": f"l{i}"} for i, label in enumerate(asked.labels)],
    }
    out = {}
    for stream, name in INPUTS.items():
        codec = Codec({**CORE, **log.domain.schemas}[name])
        schema_id = log.registry.id_of(f"{log.domain.topic(stream)}-{name}", codec.schema)
        out[stream] = [frame(schema_id, codec.encode(record)) for record in records[stream]]
    return out


def broken(good: list[bytes], number: int, draw: random.Random) -> Iterator[bytes | None]:
    """Random, truncated and bit-flipped messages, messages of other schemas, and the good ones."""
    ways: list[Callable[[bytes], bytes | None]] = [
        lambda data: draw.randbytes(draw.randrange(80)),
        lambda data: data[:5] + draw.randbytes(draw.randrange(200)),
        lambda data: data[: draw.randrange(len(data))],
        lambda data: flipped(data, draw),
        lambda data: flipped(data, draw),
        lambda data: data + draw.randbytes(1),
        lambda data: b"\0" + draw.randbytes(4) + data[5:],
        lambda data: None,
        lambda data: data,
    ]
    for _ in range(number):
        yield draw.choice(ways)(draw.choice(good))


def flipped(data: bytes, draw: random.Random) -> bytes:
    """One bit the other way."""
    at = draw.randrange(8 * len(data))
    changed = bytearray(data)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def judge(log: Log, stream: str) -> set[str]:
    """Places of the messages that cannot be used, by plain fastavro and the rules as written."""
    name, topic = INPUTS[stream], log.domain.topic(stream)
    schema = {**CORE, **log.domain.schemas}[name]
    schema_id = log.registry.id_of(f"{topic}-{name}", schema)
    compiled = parse_schema(Codec(schema)._compiled)
    unusable = set()
    for message in kafka.read_topic(log.settings, topic):
        _, logged = message.timestamp()
        value = message.value() or b""
        record = decoded(value, schema_id, compiled)
        if record is None or not usable(log, name, record, logged):
            unusable.add(f"{topic}/{message.partition()}/{message.offset()}")
    return unusable


def decoded(value: bytes, schema_id: int, compiled: Any) -> dict[str, Any] | None:
    if value[:5] != b"\0" + schema_id.to_bytes(4, "big"):
        return None
    body = BytesIO(value[5:])
    try:
        record = schemaless_reader(body, compiled, None)
    except Exception:
        return None
    return record if isinstance(record, dict) and not body.read() else None


def usable(log: Log, name: str, record: dict[str, Any], logged: int) -> bool:
    if not log.domain.earliest <= record["time"] <= logged + DAY:
        return False
    if name == "label":
        return record["value"] in {0.0, 1.0}
    if name == "prediction":
        vector = record["vector"]
        wide = len(vector) == len(log.domain.vector_names)
        numbers = [record[n] for n in ("probability", "propensity", "seen", "model_ms")]
        known = all(map(math.isfinite, numbers)) and 0 <= record["seen"] <= 1
        declared = record["vector_hash"] in {"", log.domain.vector_hash}
        return declared and wide and not any(map(math.isinf, vector)) and known
    return all(math.isfinite(record[field]) for field in ("amount", "latitude", "longitude"))


def fuzz(log: Log, number: int, seed: int) -> None:
    draw = random.Random(seed)
    good = valid(log, 2_000)
    for stream in INPUTS:
        values = broken(good[stream], -(-number // len(INPUTS)), draw)
        log.write_bytes(stream, values, key=None)
    for flow in ("features", "learning"):
        run(flow, log.settings, until_end=True, domain=log.domain)
    unusable = set().union(*(judge(log, stream) for stream in INPUTS))
    letters = log.read("dead-letters")
    places = [f"{each['topic']}/{each['partition']}/{each['offset']}" for each in letters]
    assert len(places) == len(set(places))
    assert set(places) == unusable
    assert number * 0.5 < len(places) < number * 0.95
    messages = {
        f"{message.topic()}/{message.partition()}/{message.offset()}": message.value()
        for stream in INPUTS
        for message in kafka.read_topic(log.settings, log.domain.topic(stream))
    }
    assert all(
        letter["value"] == messages[place] for place, letter in zip(places, letters, strict=True)
    )


def test_broken_messages_are_buried_and_the_flows_go_on(log: Log) -> None:
    fuzz(log, 20_000, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_million_broken_messages(log: Log) -> None:
    fuzz(log, 1_000_000, seed=2)
