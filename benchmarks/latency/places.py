"""Where latency is measured: a URL, the endpoint that runs here, or a stack of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from benchmarks.latency import background
from benchmarks.latency.results import Options
from benchmarks.own_stack import own_stack
from benchmarks.traffic import Events
from infra.processes import http_answers
from infra.settings import Settings

PREDICT = "/predict"
RUNNING = "the stack that runs here; nothing is sent beside the questions"
OWN_AND_URL = "a URL is somewhere else: give --url or --own-stack, not both"
FLOWING = (
    "made-up events and labels are only sent to a stack of their own: leave --url out, or leave "
    "--events-rate and --labels-rate out and say with --background what runs there"
)


@dataclass(frozen=True, slots=True)
class Place:
    """What is measured: options with their URL, the settings of its log, events that go on."""

    options: Options
    settings: Settings
    events: Events | None = None


@contextmanager
def endpoint(settings: Settings, options: Options, own: bool) -> Iterator[Place]:
    """The place that the options ask for; raises ValueError where they contradict themselves."""
    flowing = bool(options.events_rate or options.labels_rate)
    if options.url:
        if own or flowing:
            raise ValueError(FLOWING if flowing else OWN_AND_URL)
        yield Place(_told(options, options.url, "not stated"), settings)
    elif own or flowing or not http_answers(f"{settings.endpoint}/healthz"):
        with own_stack(settings, options.events_rate or 1.0, options.seed) as alone:
            at = str(alone.at) if options.at == "data" else options.at
            asked = msgspec.structs.replace(options, at=at)
            url = alone.settings.endpoint + PREDICT
            told = "a stack of its own, " + background.described(options)
            yield Place(_told(asked, url, told), alone.settings, alone.events)
    else:
        yield Place(_told(options, settings.endpoint + PREDICT, RUNNING), settings)


def _told(options: Options, url: str, otherwise: str) -> Options:
    return msgspec.structs.replace(options, url=url, background=options.background or otherwise)
