"""What one process writes any other reads, with a Schema Registry and without one."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

from infra import kafka, registry
from infra.decoding import Decoder
from infra.kafka import Raw, raw_of
from infra.registry import ConfluentRegistry, RegistryError, TopicRegistry
from infra.sending import Sender
from infra.settings import Settings, child_environment
from infra.topics import SCHEMAS
from schemas.avro import CORE, Codec, fingerprint, frame
from schemas.declare import Domain, Schema
from tests.infra.conftest import FakeRegistry

LABEL = CORE["label"]
RECORD = {"id": "a", "time": 1_357_034_400_000, "value": 1.0}
NEWER: Schema = {
    **LABEL,
    "fields": [*LABEL["fields"], {"name": "source", "type": ["null", "string"], "default": None}],
}
WRITER = """
import dataclasses, json, sys
from infra.sending import Sender
from infra.topics import create_topics
from infra.registry import registry
from infra.settings import load
from schemas import domains
from schemas.avro import CORE
domain = dataclasses.replace(domains.load("flights"), name=sys.argv[1])
settings = load()
create_topics(settings, domain)
sender = Sender(settings, domain, registry(settings))
sender.send("labels", "label", json.loads(sys.argv[2]), "a")
sender.flush(20)
print(registry(settings).id_of(f"{domain.name}.labels-headrace.label", CORE["label"]))
"""


def written_by_another_process(settings: Settings, domain: Domain) -> int:
    """Writes a label from a process of its own; gives the id that it used."""
    done = subprocess.run(
        [sys.executable, "-c", WRITER, domain.name, json.dumps(RECORD)],
        env=child_environment(settings),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.fixture(params=["topic", "confluent"])
def shared(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings without a Schema Registry, and with one."""
    if request.param == "topic":
        return settings
    server: FakeRegistry = request.getfixturevalue("confluent")
    return settings.model_copy(update={"registry": server.url})


def test_a_record_of_one_process_is_read_by_another_under_the_same_id(
    shared: Settings, domain: Domain
) -> None:
    other = written_by_another_process(shared, domain)
    ours = registry.registry(shared)
    topic = domain.topic("labels")
    [message] = kafka.read_topic(shared, topic)
    assert message.value()[:5] == b"\0" + other.to_bytes(4, "big")
    found = Decoder({"label": LABEL}, ours, "test").batch(
        topic, message.partition(), [raw_of(message)]
    )
    assert found.dead == []
    assert [record for _, record, _ in found.good] == [RECORD]
    assert ours.id_of(f"{topic}-headrace.label", LABEL) == other


def test_a_schema_registered_later_is_found_and_projected(shared: Settings, domain: Domain) -> None:
    reading, writing = registry.registry(shared), registry.registry(shared)
    decoder = Decoder({"label": LABEL}, reading, "test")
    subject = f"{domain.name}-{shared.generation}"
    old = Raw(0, 0, None, frame(writing.id_of(subject, LABEL), Codec(LABEL).encode(RECORD)))
    assert len(decoder.batch("t", 0, [old]).good) == 1
    told = {**RECORD, "source": "claim"}
    new = Raw(1, 0, None, frame(writing.id_of(subject, NEWER), Codec(NEWER).encode(told)))
    found = decoder.batch("t", 0, [new, old._replace(offset=2)])
    assert found.good == [("label", RECORD, 1), ("label", RECORD, 2)]


def test_an_unknown_id_is_a_dead_letter_with_its_bytes(shared: Settings) -> None:
    decoder = Decoder({"label": LABEL}, registry.registry(shared), "test")
    message = Raw(7, 5, b"key", frame(123_456_789, b"body"))
    [letter] = decoder.batch("t", 3, [message]).dead
    assert letter == {
        "reason": "unknown_schema",
        "detail": "schema id 123456789 is not known",
        "flow": "test",
        "topic": "t",
        "partition": 3,
        "offset": 7,
        "time": 5,
        "key": b"key",
        "value": message.value,
    }


def test_records_in_the_topic_that_are_no_schema_are_passed_over(
    settings: Settings, domain: Domain
) -> None:
    own = TopicRegistry(settings)
    own.refresh()
    sender = Sender(settings, domain, own)
    named = {**LABEL, "name": f"label_{settings.generation}"}
    deep = b'{"schema": ' + b'{"type": "array", "items": ' * 3_000
    for value in (None, b"", b"{", b"[]", b'{"schema": 7}', b'{"schema": {"type": "x"}}', deep):
        sender.send_bytes(SCHEMAS, b"junk", value)
    sender.send_bytes(SCHEMAS, b"good", json.dumps({"schema": named}).encode())
    sender.flush()
    own.refresh()
    assert own.schema(fingerprint(named)) == named
    own.close()


def test_a_taken_id_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    own = TopicRegistry(settings)
    taken = own.id_of("s", LABEL)
    monkeypatch.setattr(registry, "fingerprint", lambda schema: taken)
    with pytest.raises(RegistryError, match=rf"id {taken} of other is taken by label"):
        own.id_of("other", NEWER)


def test_confluents_api_is_spoken_as_it_is_documented(confluent: FakeRegistry) -> None:
    own = ConfluentRegistry(f"{confluent.url}/")
    first = own.id_of("flights.labels-headrace.label", LABEL)
    assert own.id_of("flights.labels-headrace.label", LABEL) == first == 1
    assert own.id_of("a/b c", NEWER) == 2
    assert confluent.asked == [
        "POST /subjects/flights.labels-headrace.label/versions",
        "POST /subjects/a%2Fb%20c/versions",
    ]
    assert json.loads(confluent.schemas[0]) == LABEL
    other = ConfluentRegistry(confluent.url)
    assert other.schema(1) is None
    other.refresh([1, 2, 99])
    assert (other.schema(1), other.schema(2), other.schema(99)) == (LABEL, NEWER, None)
    asked = len(confluent.asked)
    other.refresh([1, 2, 99])
    assert len(confluent.asked) == asked


def test_garbage_cannot_make_a_storm_of_requests(confluent: FakeRegistry) -> None:
    own = ConfluentRegistry(confluent.url)
    own.refresh(range(1_000, 2_000))
    assert len(confluent.asked) == ConfluentRegistry.LOOKUPS


def test_a_refusal_says_what_the_registry_said(confluent: FakeRegistry) -> None:
    confluent.refused.add("s")
    with pytest.raises(RegistryError, match=rf"{confluent.url} refuses s: 409 .*incompatible"):
        ConfluentRegistry(confluent.url).id_of("s", LABEL)


def test_user_and_password_are_sent_and_not_shown(confluent: FakeRegistry) -> None:
    confluent.user = "Basic " + base64.b64encode(b"me:p@ss").decode()
    url = confluent.url.replace("//", "//me:p%40ss@")
    assert ConfluentRegistry(url).id_of("s", LABEL) == 1
    with pytest.raises(RegistryError, match="401") as caught:
        ConfluentRegistry(url.replace("p%40ss", "secret")).id_of("s", LABEL)
    assert "secret" not in str(caught.value)


def test_a_registry_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:9 does not answer for s"):
        ConfluentRegistry("http://127.0.0.1:9").id_of("s", LABEL)

    def silent(*_: Any, **__: Any) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib.request, "urlopen", silent)
    with pytest.raises(RegistryError, match="timed out"):
        ConfluentRegistry("http://127.0.0.1:9").refresh([1])
