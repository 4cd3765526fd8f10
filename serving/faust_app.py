"""Faust's own client, by our settings."""

from __future__ import annotations

import ssl
from typing import Any

import faust
from yarl import URL

from infra.settings import Settings, SettingsError

SESSION_S = 6.0
"""After so long a silence a process's partitions go to another. Faust's defaults (60) make joining
a group on the embedded broker take half a minute; Kafka takes no less than 6."""

HEARTBEAT_S = 2.0
COMMIT_S = 1.0


def app_of(settings: Settings, group: str, at_once: int) -> faust.App:
    """An app of a consumer group that reads at most so many records ahead, from the earliest on.

    Raises SettingsError for Kafka options that Faust does not have.
    """
    return faust.App(
        group,
        broker=[URL(f"kafka://{host}") for host in settings.brokers.split(",")],
        broker_credentials=credentials(settings.kafka_options),
        broker_session_timeout=SESSION_S,
        broker_rebalance_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_commit_interval=COMMIT_S,
        broker_max_poll_records=at_once,
        stream_buffer_maxsize=at_once,
        stream_wait_empty=False,  # what is read ahead of the room is left in the log
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        datadir=settings.home / "faust",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


def credentials(options: dict[str, Any]) -> Any:
    """Faust's words for librdkafka's options of SASL and TLS; raises SettingsError for others."""
    known = {"security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username"}
    known |= {"sasl.password", "ssl.ca.location", "log_level"}
    for name in options.keys() - known:
        raise SettingsError(
            f"HEADRACE_KAFKA_OPTIONS: `headrace stream` has no {name!r}; it has "
            f"{', '.join(sorted(known))}"
        )
    protocol = str(options.get("security.protocol", "PLAINTEXT")).upper()
    tls = None
    if protocol.endswith("SSL"):
        tls = ssl.create_default_context(cafile=options.get("ssl.ca.location"))
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=options.get("sasl.username"),
            password=options.get("sasl.password"),
            mechanism=options.get("sasl.mechanism", options.get("sasl.mechanisms", "PLAIN")),
            ssl_context=tls,
        )
    return faust.SSLCredentials(context=tls) if tls else None
