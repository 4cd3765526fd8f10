"""Why there is no answer, as HTTP says it."""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

import msgspec

from infra import metrics
from serving.batching import Overloaded
from serving.requests import BadRequest

JSON = b"application/json"
FAILED = {"error": "the endpoint failed; its log says why"}
"""What is said of a fault of our own."""

_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """A response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def refusal(fault: BaseException) -> Refusal:
    """The response to a request that met a fault; counted, and logged where it is our own."""
    headers = [(b"content-type", JSON)]
    if isinstance(fault, BadRequest):
        status, said = fault.status, fault.document()
        if status == 405:
            headers.append((b"allow", b"POST"))
        if status == 413:
            headers.append((b"connection", b"close"))
    elif isinstance(fault, Overloaded):
        status, said = 503, {"error": f"too much to do: {fault}"}
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(fault.retry_after))))
    else:
        _log.error("a request failed", exc_info=fault)
        status, said = 500, FAILED
    metrics.REQUESTS.labels(str(status)).inc()
    body = _encode(said)
    headers.append((b"content-length", b"%d" % len(body)))
    return Refusal(status, headers, body)
