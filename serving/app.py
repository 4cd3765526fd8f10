"""The HTTP routes: what `/predict` does, for `serving/protocol.py` and in plain ASGI; the rest by
Starlette."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from infra import metrics
from online_models import cards
from serving import answers, openapi
from serving.answers import Answer
from serving.cards import NoSuchCard
from serving.cards import find as find_card
from serving.refusals import JSON, refusal
from serving.requests import MAX_BODY, BadRequest
from serving.service import Service

LONGEST_BUDGET_MS = 60_000.0
PATH = "/predict"

_encode = msgspec.json.Encoder().encode


class Disconnected(ConnectionError):
    """The client went away before its request was whole."""


class Endpoint:
    """The ASGI application; the service starts and stops with it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._others = _starlette(service)
        self._answered = metrics.REQUESTS.labels("200").inc
        self._parse_time = metrics.LATENCY.labels("parse").observe
        self._total_time = metrics.LATENCY.labels("total").observe

    @property
    def busy(self) -> bool:
        """Whether it answers others."""
        return self._service.busy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speaks ASGI."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._others(scope, receive, send)
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


class _Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encode(content)


def _starlette(service: Service) -> Starlette:
    described = openapi.document(service.domain, service.requests)
    shown = openapi.page(described)

    async def healthz(_: Request) -> Response:
        return _Json({"alive": True})

    async def readyz(_: Request) -> Response:
        reasons = service.reasons()
        content = {"ready": not reasons, "reasons": reasons, **service.state()}
        return _Json(content, 503 if reasons else 200)

    async def scrape(_: Request) -> Response:
        return Response(metrics.page(), media_type=CONTENT_TYPE_LATEST)

    async def models(_: Request) -> Response:
        return _Json({"models": service.models.documents(), "served": service.domain.served})

    async def card(request: Request) -> Response:
        return await _card(service, request)

    async def document(_: Request) -> Response:
        return _Json(described)

    async def docs(_: Request) -> Response:
        return HTMLResponse(shown)

    async def root(_: Request) -> Response:
        return RedirectResponse("/docs")

    handlers = {
        "/": root,
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": scrape,
        "/models": models,
        "/models/{name}/card": card,
        "/openapi.json": document,
        "/docs": docs,
    }
    return Starlette(
        routes=[Route(path, handler, methods=["GET"]) for path, handler in handlers.items()],
        exception_handlers={HTTPException: _http_fault, Exception: _fault},
        lifespan=lambda _: _running(service),
    )


async def _card(service: Service, request: Request) -> Response:
    """Markdown, or JSON where that is what the client accepts; `version` picks an older one."""
    version = request.query_params.get("version")
    if version is not None and not version.isdigit():
        raise HTTPException(400, f"the version is {version!r}; expected a number")
    name, wanted = request.path_params["name"], None if version is None else int(version)
    try:
        found = await asyncio.to_thread(find_card, service.settings, service.domain, name, wanted)
    except NoSuchCard as fault:
        raise HTTPException(404, str(fault)) from fault
    if JSON.decode() in request.headers.get("accept", ""):
        return _Json(cards.document(found, service.domain))
    return Response(cards.markdown(found, service.domain), media_type="text/markdown")


@asynccontextmanager
async def _running(service: Service) -> AsyncIterator[None]:
    await service.start()
    try:
        yield
    finally:
        await service.stop()


async def _http_fault(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    said: Mapping[str, str] = {"error": fault.detail, "found": request.url.path}
    return _Json(said, fault.status_code, fault.headers)


async def _fault(_: Request, __: Exception) -> Response:
    return _Json({"error": "the endpoint failed; its log says why"}, 500)
