"""The topics of a domain, and how they are made."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from infra.kafka import (
    LARGEST_MESSAGE,
    UnknownTopic,
    fault,
    list_topics,
    options,
    wait_ready,
)
from infra.settings import Settings
from schemas.declare import Domain

STREAMS = (
    "events",
    "requests",
    "predictions",
    "labels",
    "policies",
    "examples",
    "scores",
    "models",
    "cards",
    "samples",
    "routes",
    "drift",
    "dead-letters",
)
SPREAD = frozenset({"events", "requests", "predictions", "labels"})
COMPACTED = frozenset({"models", "routes", "samples"})
_LARGE = frozenset({"models", "dead-letters"})
_KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
SCHEMAS = "headrace.schemas"
"""Of all domains, where there is no Schema Registry."""


def create_topics(settings: Settings, domain: Domain) -> list[str]:
    """Creates those of the domain's topics that do not exist yet; gives the names of these.

    Where there is no Schema Registry, the topic of the schemas is among them.
    """
    wanted = [
        NewTopic(
            domain.topic(stream),
            num_partitions=settings.partitions if stream in SPREAD else 1,
            replication_factor=settings.replication,
            config=config_of(stream),
        )
        for stream in STREAMS
    ]
    if not settings.registry:
        wanted.append(of_schemas(settings))
    return create(settings, wanted)


def check(settings: Settings, domain: Domain) -> None:
    """Raises UnknownTopic naming those of the domain's topics that do not exist."""
    there = list_topics(settings)
    missing = [name for name in map(domain.topic, STREAMS) if name not in there]
    if missing:
        raise UnknownTopic(
            f"no topic {', '.join(missing)} on {settings.brokers}; create it with "
            "`headrace topics --create`"
        )


def of_schemas(settings: Settings) -> NewTopic:
    """The topic of the schemas, to be created."""
    config = {"cleanup.policy": "compact"}
    return NewTopic(SCHEMAS, 1, settings.replication, config=config)


def config_of(stream: str) -> dict[str, str]:
    """How a topic is kept: all of it, or the newest of each key.

    A join that resumes and a view that is rebuilt read back further than a broker's usual week.
    """
    config = {"cleanup.policy": "compact"} if stream in COMPACTED else dict(_KEPT)
    if stream in _LARGE:
        config["max.message.bytes"] = str(LARGEST_MESSAGE)
    return config


def create(settings: Settings, wanted: list[NewTopic]) -> list[str]:
    """Creates topics; those that exist are left as they are. Gives the names of the new ones."""
    wait_ready(settings)
    admin = AdminClient(options(settings))
    made = []
    for name, done in admin.create_topics(wanted, request_timeout=settings.wait_s).items():
        try:
            done.result()
            made.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise fault(error.args[0], settings, f"creating {name}") from error
    return made
