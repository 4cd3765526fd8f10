"""What of the stack is there: the processes of this home, and whatever the settings name."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import redis
from prometheus_client.parser import text_string_to_metric_families

from infra import kafka, processes
from infra.feature_store import FeatureStore
from infra.settings import Settings, SettingsError, domain_of, other_generation
from infra.stack import BROKER, ENDPOINT, FLOWS, REDIS
from infra.stack_file import Running, recorded

ASK_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the stack; `lag_records` and `lag_s` (event time) are known of flows."""

    name: str
    up: bool
    where: str
    pid: int | None = None
    metrics: str | None = None
    log: str | None = None
    lag_records: int | None = None
    lag_s: float | None = None


def parts(settings: Settings) -> list[Part]:
    """Broker, Redis, flows and endpoint; a flow that does not run in this home is not seen.

    Nor is one of another generation: broker and Redis alone are the same for all.
    """
    here = (BROKER, REDIS) if other_generation(settings) else (BROKER, REDIS, *FLOWS, ENDPOINT)
    running = {each.name: each for each in recorded(settings.home) if each.name in here}
    found = [
        _part(settings, BROKER, _broker, running),
        _part(settings, REDIS, _redis, running),
        *(_flow(running[name]) for name in FLOWS if name in running),
    ]
    return [*found, _part(settings, ENDPOINT, _endpoint, running)]


def _broker(settings: Settings) -> tuple[str, bool]:
    try:
        kafka.wait_ready(settings, ASK_TIMEOUT)
    except kafka.LogUnavailable:
        return settings.brokers, False
    return settings.brokers, True


def _redis(settings: Settings) -> tuple[str, bool]:
    short = settings.model_copy(update={"wait_s": ASK_TIMEOUT})
    try:
        FeatureStore(short, domain_of(settings)).ping()
    except redis.RedisError:
        return without_password(settings.redis_url), False
    return without_password(settings.redis_url), True


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"//[^@/]*@", "//…@", url)


def _endpoint(settings: Settings) -> tuple[str, bool]:
    try:
        url = settings.endpoint
    except SettingsError:
        return "none of this generation", False
    return url, processes.http_answers(f"{url}/readyz", ASK_TIMEOUT)


def _part(
    settings: Settings,
    name: str,
    ask: Callable[[Settings], tuple[str, bool]],
    running: dict[str, Running],
) -> Part:
    try:
        where, up = ask(settings)
    except SettingsError:
        where, up = "not configured, not started", False
    own = running.get(name)
    if own is None:
        return Part(name, up, where)
    return Part(name, up, where, own.pid, own.metrics, own.log)


def _flow(running: Running) -> Part:
    records, seconds = lag(str(running.metrics))
    alive = running.process() is not None
    ended = f"ended; see {running.log or 'the shell that it was started in'}"
    return Part(
        running.name,
        alive,
        "" if alive else ended,
        running.pid,
        running.metrics,
        running.log,
        records,
        seconds,
    )


def lag(url: str) -> tuple[int | None, float | None]:
    """A flow's lag, records over all partitions and most seconds of event time, from /metrics."""
    try:
        with urllib.request.urlopen(url, timeout=ASK_TIMEOUT) as answer:
            text = answer.read().decode()
    except OSError:
        return None, None
    found = {
        family.name: [sample.value for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }
    records = found.get("headrace_lag_records")
    seconds = found.get("headrace_lag_event_seconds")
    return int(sum(records)) if records else None, max(seconds) if seconds else None
