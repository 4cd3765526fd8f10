"""What the endpoint shows beside its answers: probes, metrics, models, and what describes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from infra import metrics
from online_models import cards
from serving import openapi
from serving.cards import NoSuchCard, find, version_in
from serving.refusals import FAILED, JSON
from serving.service import Service

_encode = msgspec.json.Encoder().encode


class _Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encode(content)


class Pages:
    """What is answered by GET; a handler a route."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._described = openapi.document(service.domain, service.requests)
        self._shown = openapi.page(self._described)

    def application(self) -> Starlette:
        """The ASGI application of all of them; the service starts and stops with it."""
        handlers = {
            "/": self.root,
            "/healthz": self.healthz,
            "/readyz": self.readyz,
            "/metrics": self.scrape,
            "/models": self.models,
            "/models/{name}/card": self.card,
            "/openapi.json": self.document,
            "/docs": self.docs,
        }
        return Starlette(
            routes=[Route(path, handler, methods=["GET"]) for path, handler in handlers.items()],
            exception_handlers={HTTPException: _http_fault, Exception: _fault},
            lifespan=self._running,
        )

    @asynccontextmanager
    async def _running(self, _: Starlette) -> AsyncIterator[None]:
        await self._service.start()
        try:
            yield
        finally:
            await self._service.stop()

    async def root(self, _: Request) -> Response:
        """To the page for people."""
        return RedirectResponse("/docs")

    async def healthz(self, _: Request) -> Response:
        """That the process is alive."""
        return _Json({"alive": True})

    async def readyz(self, _: Request) -> Response:
        """Whether requests may be sent here, and if not, why."""
        reasons = self._service.reasons()
        content = {"ready": not reasons, "reasons": reasons, **self._service.state()}
        return _Json(content, 503 if reasons else 200)

    async def scrape(self, _: Request) -> Response:
        """The metrics, for Prometheus."""
        return Response(metrics.page(), media_type=CONTENT_TYPE_LATEST)

    async def models(self, _: Request) -> Response:
        """What can answer."""
        service = self._service
        return _Json({"models": service.models.documents(), "served": service.domain.served})

    async def card(self, request: Request) -> Response:
        """Markdown, or JSON where the client accepts that; `version` picks an older one."""
        version = request.query_params.get("version")
        name, wanted = request.path_params["name"], None if version is None else version_in(version)
        if version is not None and wanted is None:
            raise HTTPException(400, f"the version is {version!r}; expected a number")
        settings, domain = self._service.settings, self._service.domain
        try:
            found = await asyncio.to_thread(find, settings, domain, name, wanted)
        except NoSuchCard as fault:
            raise HTTPException(404, str(fault)) from fault
        if JSON.decode() in request.headers.get("accept", ""):
            return _Json(cards.document(found, domain))
        return Response(cards.markdown(found, domain), media_type="text/markdown")

    async def document(self, _: Request) -> Response:
        """The endpoint in the words of OpenAPI."""
        return _Json(self._described)

    async def docs(self, _: Request) -> Response:
        """The same as a page for people."""
        return HTMLResponse(self._shown)


async def _http_fault(request: Request, fault: Exception) -> Response:
    if not isinstance(fault, HTTPException):
        raise fault
    said = {"error": fault.detail, "found": request.url.path}
    return _Json(said, fault.status_code, fault.headers)


async def _fault(_: Request, __: Exception) -> Response:
    return _Json(FAILED, 500)
