"""Where schema ids come from: a compacted topic, or a Schema Registry's REST API.

Looking an id up costs no request: `schema` answers from memory, and `refresh` fetches.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection
from typing import Any, Protocol

from confluent_kafka import Consumer, TopicPartition
from fastavro.schema import SchemaParseException

from infra import kafka, topics
from infra.settings import Settings
from infra.topics import SCHEMAS
from schemas.avro import canonical, fingerprint
from schemas.declare import Schema

_LOG = logging.getLogger(__name__)


class RegistryError(RuntimeError):
    """The registry does not answer, or refuses a schema; names the registry and the subject."""


class Registry(Protocol):
    """Gives schemas their ids."""

    def id_of(self, subject: str, schema: Schema) -> int:
        """Registers the schema under the subject where it is new; its id."""

    def schema(self, schema_id: int) -> Schema | None:
        """The schema of an id, as far as is known here; never a request."""

    def refresh(self, wanted: Collection[int] = ()) -> None:
        """Learns schemas registered elsewhere since; `wanted` are the ids that were missed."""


def registry(settings: Settings) -> Registry:
    """The Schema Registry where one is configured, else the topic."""
    if settings.registry:
        return ConfluentRegistry(settings.registry, settings.wait_s)
    return TopicRegistry(settings)


class TopicRegistry:
    """Schemas in the compacted topic `headrace.schemas`, by ids that follow from their content.

    The id is `schemas.avro.fingerprint`, so every process gives a schema the same id and two that
    register it at once write the same record.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._schemas: dict[int, Schema] = {}
        self._lock = threading.Lock()
        self._reader: Consumer | None = None
        self._next = 0

    def id_of(self, subject: str, schema: Schema) -> int:
        """Registers the schema where it is new; raises RegistryError if its id is taken."""
        schema_id = fingerprint(schema)
        if schema_id not in self._schemas:
            self.refresh()
        if schema_id not in self._schemas:
            self._write(subject, schema_id, schema)
        if canonical(self._schemas[schema_id]) != canonical(schema):
            raise RegistryError(
                f"{SCHEMAS}: id {schema_id} of {subject} is taken by "
                f"{self._schemas[schema_id].get('name')}; rename or add a field"
            )
        return schema_id

    def schema(self, schema_id: int) -> Schema | None:
        """The schema of an id, None where it is not known yet."""
        return self._schemas.get(schema_id)

    def refresh(self, wanted: Collection[int] = ()) -> None:
        """Reads what the topic has got since the last time."""
        with self._lock:
            if self._reader is None:
                self._reader = self._open()
            # The end of a partition is told once: to hear of it again, it is assigned again.
            self._reader.assign([TopicPartition(SCHEMAS, 0, self._next)])
            for message in kafka.until_end(self._reader, self._settings, SCHEMAS, 1):
                self._take(message.value())
                self._next = message.offset() + 1
            self._reader.unassign()  # else it would ask the broker for more for ever

    def close(self) -> None:
        """Leaves the topic."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _open(self) -> Consumer:
        topics.create(self._settings, [topics.of_schemas(self._settings)])
        reader = kafka.consumer(self._settings)
        self._next, _ = kafka.watermarks(reader, self._settings, SCHEMAS, 0)
        return reader

    def _take(self, value: bytes | None) -> None:
        """Learns one record of the topic; what is no schema, or not of its id, is passed over."""
        try:
            schema = json.loads(value or b"")["schema"]
            self._schemas.setdefault(fingerprint(schema), schema)
        except (ValueError, LookupError, TypeError, RecursionError, SchemaParseException) as error:
            _LOG.warning("%s: a record that is no schema: %s", SCHEMAS, error)

    def _write(self, subject: str, schema_id: int, schema: Schema) -> None:
        value = json.dumps({"subject": subject, "id": schema_id, "schema": schema})
        sender = kafka.producer(self._settings, linger_ms=0, enable_idempotence=False)
        faults: list[Any] = []
        sender.produce(
            SCHEMAS, value, str(schema_id), on_delivery=lambda error, _: faults.append(error)
        )
        if sender.flush(self._settings.wait_s) or any(faults):
            raise RegistryError(
                f"{SCHEMAS} on {self._settings.brokers}: {subject} not registered: {faults}"
            )
        self._schemas[schema_id] = schema


class ConfluentRegistry:
    """A Schema Registry by its REST API (Confluent, Redpanda); user:password may be in the URL."""

    LOOKUPS = 16
    """Most ids that one `refresh` asks for, so that garbage cannot make a storm of requests."""
    FORGET = 60.0
    """Seconds for which an id that the registry does not have is not asked for again."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        parts = urllib.parse.urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._url = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        self._timeout = timeout
        self._headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        if parts.username:
            pair = f"{parts.username}:{parts.password or ''}"
            pair = urllib.parse.unquote(pair)
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._schemas: dict[int, Schema] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._missed: dict[int, float] = {}

    def id_of(self, subject: str, schema: Schema) -> int:
        """Registers the schema; raises RegistryError where the registry finds it incompatible."""
        key = (subject, json.dumps(schema))
        if key not in self._ids:
            place = f"/subjects/{urllib.parse.quote(subject, safe='')}/versions"
            answer = self._ask(place, {"schema": key[1]}, subject)
            self._ids[key] = int(answer["id"])
            self._schemas[self._ids[key]] = schema
        return self._ids[key]

    def schema(self, schema_id: int) -> Schema | None:
        """The schema of an id, None where it was not fetched yet or is none."""
        return self._schemas.get(schema_id)

    def refresh(self, wanted: Collection[int] = ()) -> None:
        """Fetches the wanted ids, the first `LOOKUPS` of those that are not known to be missing."""
        now = time.monotonic()
        missing = [i for i in wanted if i not in self._schemas]
        asked = [i for i in missing if now - self._missed.get(i, -self.FORGET) >= self.FORGET]
        for schema_id in asked[: self.LOOKUPS]:
            answer = self._ask(f"/schemas/ids/{schema_id}", None, f"id {schema_id}", absent=True)
            if answer and answer.get("schemaType", "AVRO") == "AVRO":
                self._schemas[schema_id] = json.loads(answer["schema"])
            else:
                self._missed[schema_id] = now
        if len(self._missed) > 10_000:
            self._missed.clear()

    def _ask(
        self, place: str, body: dict[str, str] | None, what: str, absent: bool = False
    ) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + place, data, self._headers)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                if absent and error.code == 404:
                    return {}
                said = error.read(2_000).decode(errors="replace")
            raise RegistryError(f"{self._url} refuses {what}: {error.code} {said}") from error
        except (OSError, ValueError) as error:
            raise RegistryError(f"{self._url} does not answer for {what}: {error}") from error
