"""What `/predict` does, for `serving/protocol.py` and in plain ASGI; all other routes are pages."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from time import monotonic

from starlette.types import Receive, Scope, Send

from infra import metrics
from serving import answers
from serving.answers import Answer
from serving.pages import Pages
from serving.refusals import JSON, refusal
from serving.requests import MAX_BODY, BadRequest
from serving.service import Service

LONGEST_BUDGET_MS = 60_000.0
PATH = "/predict"


class Disconnected(ConnectionError):
    """The client went away before its request was whole."""


class Endpoint:
    """The ASGI application; the service starts and stops with it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pages = Pages(service).application()
        self._answered = metrics.answered().inc
        self._parse_time = metrics.latency_of("parse").observe
        self._total_time = metrics.latency_of("total").observe

    @property
    def busy(self) -> bool:
        """Whether it answers others."""
        return self._service.busy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speaks ASGI."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._pages(scope, receive, send)
            return
        try:
            if scope["method"] != "POST":
                raise BadRequest(
                    405, "the method is not allowed", "method", "POST", scope["method"]
                )
            headers = dict(scope["headers"])
            _check(headers)
            body = await _body(receive)
            arrived = monotonic()  # the budget is for the answer, not for a slow client
            answer = await self.ask(headers, body, arrived)
        except Disconnected:
            return
        except Exception as fault:
            await _send(send, *refusal(fault))
            return
        told = self.encoded(answer, arrived)
        length = (b"content-length", b"%d" % len(told))
        await _send(send, 200, [(b"content-type", JSON), length], told)

    def ask(
        self, headers: Mapping[bytes, bytes], body: bytes, arrived: float
    ) -> asyncio.Future[Answer]:
        """The answer to come to a request that `arrived` then by the monotonic clock.

        It may raise, at once or later, whatever `refusal` knows how to say.
        """
        _check(headers)
        deadline = self._service.admit(arrived, _budget(headers))
        started = monotonic()
        record = self._service.requests.parse(body)
        self._parse_time(monotonic() - started)
        return self._service.answer(record, arrived, deadline)

    def encoded(self, answer: Answer, arrived: float) -> bytes:
        """The body of an answer, which is counted with this."""
        self._answered()
        self._total_time(monotonic() - arrived)
        return answers.encode(answer)


def _check(headers: Mapping[bytes, bytes]) -> None:
    """Raises BadRequest for what is not declared as JSON of a bearable length."""
    media = headers.get(b"content-type", b"")
    if media != JSON and media.partition(b";")[0].strip().lower() != JSON:
        raise BadRequest(
            415, "the body is not declared as JSON", "Content-Type", JSON.decode(), _text(media)
        )
    if int(headers.get(b"content-length", b"0")) > MAX_BODY:
        raise _too_large()


def _budget(headers: Mapping[bytes, bytes]) -> float | None:
    """Seconds that the request asks for, None where it leaves that open."""
    asked = headers.get(b"x-budget-ms")
    if asked is None:
        return None
    expected = f"a number of milliseconds up to {LONGEST_BUDGET_MS:.0f}"
    try:
        value = math.nan if b"_" in asked else float(asked)  # Python takes 5_0 for 50
    except ValueError:
        value = math.nan
    if not 0 < value <= LONGEST_BUDGET_MS:
        raise BadRequest(400, "the budget is no budget", "X-Budget-Ms", expected, _text(asked))
    return value / 1_000


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            break
    if len(body) > MAX_BODY:
        raise _too_large()
    if message["type"] != "http.request":
        raise Disconnected("before its request was whole")
    return body


def _too_large() -> BadRequest:
    return BadRequest(413, "the body is too large", expected=f"at most {MAX_BODY} bytes")


def _text(raw: bytes) -> str:
    return raw[:200].decode(errors="replace") or "nothing"


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
