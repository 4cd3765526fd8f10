"""What parity is checked on: a served run whose broker is given, or a replay of its own."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.demo.replay import Replay, ReplayError
from benchmarks.proofs.parity import PATIENCE, Parity, check
from infra.settings import Settings, alone, domain_of
from infra.stack import ENDPOINT, Stack
from schemas.dataset import Stamped, load
from schemas.declare import MINUTE, Domain

_FLOWS = ("features", "learning")


class _Hurried(Replay):
    """A replay that asks however far the features flow has come."""

    async def _until_applied(self) -> None:
        return


def served(
    settings: Settings, days: float | None, start: str | None, seed: int, patience: int = PATIENCE
) -> Parity:
    """Of the log that the settings name, where that part of the domain's data set was asked.

    Raises NoSuchData, DeclarationError for a domain without data, and LogError.
    """
    domain = domain_of(settings)
    stream = load(settings.domain).replay(days, start, seed)
    requests = {each.record["id"]: each.record for each in stream if each.stream == "requests"}
    return check(settings, domain, requests, patience)


def own(
    settings: Settings,
    days: float,
    start: str | None,
    seed: int,
    step: float,
    hurry: bool = False,
    patience: int = PATIENCE,
) -> Parity:
    """Of a replay in steps of `step` minutes through a stack that is started for it alone.

    Questions wait until the features flow has taken in what was sent before; with `hurry` they
    do not, so that events are in flight. Raises ReplayError where an answer is not in the log.
    """
    domain = domain_of(settings)
    stream = list(load(settings.domain).replay(days, start, seed))
    requests = {each.record["id"]: each.record for each in stream if each.stream == "requests"}
    with (
        tempfile.TemporaryDirectory(prefix="headrace-parity-") as home,
        Stack(alone(settings, Path(home)), flows=_FLOWS) as stack,
    ):
        answers = _replay(stack, domain, stream, round(step * MINUTE), hurry)
        stack.stop(ENDPOINT, *_FLOWS)
        found = check(stack.settings, domain, requests, patience)
    if found.predictions != answers:
        raise ReplayError(f"{answers:,} answers, but {found.predictions:,} are in the log")
    return found


def _replay(stack: Stack, domain: Domain, stream: list[Stamped], step: int, hurry: bool) -> int:
    """How many questions were answered."""
    replay = (_Hurried if hurry else Replay)(stack.settings, domain)
    try:
        return asyncio.run(replay.run(stream, step)).answers
    except BaseException:
        stack.check()
        raise
