"""Every setting with its default and meaning, read once from the environment (`HEADRACE_…`).

Addresses that are not given are looked up in `<home>/stack.json`, which the embedded stack
writes while it runs.
"""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError

from schemas import domains
from schemas.declare import Domain

STACK_FILE, RECOVERY = "stack.json", "recovery"
"""What stands in the home: where the embedded stack is, and the snapshots of the flows."""
PREFIX = "HEADRACE_"
FIRST = "g1"
"""The generation whose topics have no suffix."""


class SettingsError(RuntimeError):
    """A setting is missing or contradicts another; the message names it and says what to do."""


class Settings(BaseSettings):
    """One frozen table, made at the entry and passed down."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    domain: str = Field(default="flights", description="The domain: a folder of schemas/.")
    kafka: str | None = Field(
        default=None,
        description="Bootstrap servers, host:port,…; the embedded broker when left out.",
    )
    kafka_options: dict[str, Any] = Field(
        default_factory=dict,
        description="More librdkafka options for every client, as JSON; for SASL and TLS.",
    )
    redis: str | None = Field(
        default=None,
        description="redis://, rediss://, unix:// or redis+cluster:// URL; the embedded Redis "
        "when left out.",
    )
    registry: str | None = Field(
        default=None,
        description="URL of a Schema Registry; schemas are kept in a topic when left out.",
    )
    home: Path = Field(
        default=Path(".headrace"),
        description="Folder of the embedded stack's files and of recovery.",
    )
    generation: str = Field(
        default=FIRST,
        description="Names one build of the views (Redis, models, routes), beside others.",
        pattern=r"^[A-Za-z0-9._-]+$",  # it stands in the names of topics
    )
    partitions: int = Field(
        default=4, ge=1, description="Partitions of events, predictions and labels."
    )
    replication: int = Field(default=1, ge=1, description="Replicas of topics that are created.")
    http_host: str = Field(default="127.0.0.1", description="Address that the endpoint listens on.")
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="Its port; 0 takes a free one."
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of a flow's /metrics; 0 takes a free one."
    )
    budget_ms: float = Field(default=50.0, gt=0, description="Milliseconds an answer may take.")
    redis_timeout_ms: float = Field(
        default=20.0, gt=0, description="Milliseconds the endpoint waits for Redis."
    )
    wait_s: float = Field(
        default=10.0, gt=0, description="Seconds to wait for a broker, registry or Redis to answer."
    )
    nice: int = Field(
        default=0,
        ge=0,
        le=19,
        description="How far flows give way (nice); 19: they have what others leave.",
    )
    seed: int = Field(default=1, ge=0, description="Seeds whatever draws random numbers.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least serious log line that is written."
    )

    @property
    def brokers(self) -> str:
        """Bootstrap servers, given or embedded; raises SettingsError where there are none."""
        return self.kafka or self._from_stack("kafka")

    @property
    def redis_url(self) -> str:
        """URL of Redis, given or embedded; raises SettingsError where there is none."""
        return self.redis or self._from_stack("redis")

    @property
    def endpoint(self) -> str:
        """URL of the running endpoint: the embedded stack's, or `http_host`:`http_port`.

        Raises SettingsError where the embedded stack of another generation listens there.
        """
        stack, usual = stack_of(self.home), f"http://{self.http_host}:{self.http_port}"
        other = other_generation(self)
        if other is None:
            return str(stack.get("http") or usual)
        if stack.get("http") == usual:
            raise SettingsError(
                f"{usual} is the endpoint of generation {other}, of the stack in {self.home}; "
                f"expected one of {self.generation}: `headrace serve` with another "
                f"HEADRACE_HTTP_PORT, or HEADRACE_GENERATION={other}"
            )
        return usual

    def _from_stack(self, part: str) -> str:
        found = stack_of(self.home).get(part)
        if not found:
            raise SettingsError(
                f"HEADRACE_{part.upper()} is not set, and {self.home / STACK_FILE} names no "
                f"{part}: set it, or start the embedded stack with `headrace up`"
            )
        return str(found)


def load(**given: object) -> Settings:
    """Settings from the environment, `given` ones first; raises SettingsError naming the wrong."""
    known = [each.upper() for each in Settings.model_fields]
    found = {each.removeprefix(PREFIX) for each in os.environ if each.startswith(PREFIX)}
    for name in sorted(found - {*known}):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else "unset it"
        raise SettingsError(f"{PREFIX}{name} is no setting; {hint}")
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except (ValidationError, PydanticSettingsError) as error:
        raise SettingsError(_told(error)) from error


def _told(error: ValidationError | PydanticSettingsError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{PREFIX}{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}, found {each['input']!r}"
        for each in error.errors()
    )


def domain_of(settings: Settings) -> Domain:
    """The domain, with the topics of the settings' generation; raises DeclarationError."""
    generation = "" if settings.generation == FIRST else settings.generation
    return replace(domains.load(settings.domain), generation=generation)


def alone(settings: Settings, home: Path, **changes: object) -> Settings:
    """Settings for a stack in `home` that shares nothing with any other, and changes of them."""
    places = {"home": home, "kafka": None, "redis": None, "registry": None, "generation": FIRST}
    more = {"kafka_options": {}, "http_port": 0, "metrics_port": 0, **changes}
    return settings.model_copy(update={**places, **more})


def other_generation(settings: Settings) -> str | None:
    """The generation that the embedded stack builds and serves, where it is another one."""
    built = stack_of(settings.home).get("generation", settings.generation)
    return None if built == settings.generation else str(built)


def child_environment(settings: Settings, **changes: object) -> dict[str, str]:
    """This process's environment with settings, and changes of them, for a process it starts."""
    changed = settings.model_copy(update={**changes, "home": settings.home.absolute()})
    given = {
        f"{PREFIX}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in changed.model_dump(mode="json").items()
        if value is not None
    }
    return {**os.environ, **given}


def stack_of(home: Path) -> dict[str, Any]:
    """What the embedded stack says of itself; empty where none runs."""
    path = home / STACK_FILE
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON ({error}): run `headrace down`, then `up`") from (
            error
        )
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no object: run `headrace down`, then `up`")
    return content
