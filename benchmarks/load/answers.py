"""What an answer must be: every one is checked while the load runs, and kept as an outcome."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from importlib import import_module

import msgspec


class Outcome(IntEnum):
    """How a request ended."""

    LOST = 0  # no answer by the end of the drain
    OK = 1
    DEGRADED = 2  # a right answer from a fallback
    SHED = 3  # 503
    ERROR = 4  # any other 5xx
    REFUSED = 5  # 3xx, 4xx
    WRONG = 6  # 2xx whose content is wrong
    BROKEN = 7  # connection refused, reset, or not HTTP


GOOD = (Outcome.OK, Outcome.DEGRADED)

Checked = tuple[Outcome, str, int]
"""The outcome, and the model and version that answered ("" and 0 where not said)."""

Check = Callable[[bytes, str], Checked]
"""Judges the body of a 2xx answer to the request of that id."""


class Answer(msgspec.Struct):
    """The part of the endpoint's answer that is checked."""

    id: str
    probability: float
    model: str = ""
    version: int = 0
    degraded: tuple[str, ...] = ()


_decode = msgspec.json.Decoder(Answer).decode


def headrace(body: bytes, request: str) -> Checked:
    """The id comes back and the probability is one."""
    try:
        answer = _decode(body)
    except msgspec.DecodeError:
        return Outcome.WRONG, "", 0
    if answer.id != request or not 0.0 <= answer.probability <= 1.0:
        return Outcome.WRONG, "", 0
    outcome = Outcome.DEGRADED if answer.degraded else Outcome.OK
    return outcome, answer.model, answer.version


class Inference(msgspec.Struct):
    """The part of an answer in the V2 inference protocol (KServe, MLServer) that is checked."""

    id: str
    outputs: list[Output]


class Output(msgspec.Struct):
    """One output tensor."""

    data: list[float]


_decode_v2 = msgspec.json.Decoder(Inference).decode


def v2(body: bytes, request: str) -> Checked:
    """The id comes back and the only value of the first output is a probability."""
    try:
        answer = _decode_v2(body)
        [probability] = answer.outputs[0].data
    except (msgspec.DecodeError, IndexError, ValueError):
        return Outcome.WRONG, "", 0
    right = answer.id == request and 0.0 <= probability <= 1.0
    return (Outcome.OK if right else Outcome.WRONG), "", 0


def status(body: bytes, request: str) -> Checked:
    """Any 2xx is right: for servers whose answers mean nothing to us."""
    return Outcome.OK, "", 0


CHECKS: dict[str, Check] = {"headrace": headrace, "status": status}


def find(name: str) -> Check:
    """The check of that name, or of `module:function`; raises ValueError naming what there is."""
    if name in CHECKS:
        return CHECKS[name]
    module, _, function = name.partition(":")
    if not function:
        raise ValueError(f"no check {name!r}; there are {', '.join(CHECKS)}, or module:function")
    try:
        check: Check = getattr(import_module(module), function)
    except Exception as error:  # whatever another's module does when it is imported
        raise ValueError(f"--check {name!r} cannot be imported: {error!r}") from error
    return check


def outcome_of_status(code: int) -> Outcome:
    """What a status other than 2xx means."""
    if code == 503:
        return Outcome.SHED
    return Outcome.ERROR if code >= 500 else Outcome.REFUSED
