"""A keep-alive HTTP connection of the load generator."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import httptools

IDLE = -1
_BOUNDS = (b"content-length", b"transfer-encoding")
_RESTED = 1_000_000_000  # servers close idle connections after seconds
_now = time.perf_counter_ns


class Owner(Protocol):
    """Who hears of what becomes of a connection."""

    def new_connection(self, connection: Connection, /) -> None:
        """It is open."""

    def answered(self, index: int, status: int, body: bytes, /) -> None:
        """The answer to a request is there."""

    def free_connection(self, connection: Connection, /) -> None:
        """It can take another request."""

    def lost_connection(self, connection: Connection, /) -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    """A keep-alive connection: one request at a time."""

    def __init__(self, load: Owner) -> None:
        self.load = load
        self.request = IDLE
        self.idle_since = _now()
        self.rested = False  # idle for so long that the server may be closing it
        self.body = b""
        self.headed = self.bounded = False
        self.transport: asyncio.Transport
        self.parser: httptools.HttpResponseParser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Offer itself to the load."""
        self.transport = transport  # type: ignore[assignment]
        self.parser = httptools.HttpResponseParser(self)
        self.load.new_connection(self)

    def send(self, request: int, data: bytes) -> None:
        """Write a request."""
        self.request = request
        self.rested = _now() - self.idle_since > _RESTED
        self.body = b""
        self.headed = self.bounded = False
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls back; anything but an answer breaks the connection."""
        try:
            self.rested = False
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Notice whether the answer says where it ends."""
        if name.lower() in _BOUNDS:
            self.bounded = True

    def on_headers_complete(self) -> None:
        """The status is known."""
        self.headed = True

    def eof_received(self) -> None:
        """Ends an answer that says nothing of its length (RFC 9112, section 6.3, rule 8)."""
        if self.request != IDLE and self.headed and not self.bounded:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the answer."""
        self.body = self.body + body if self.body else body

    def on_message_complete(self) -> None:
        """The whole answer is there."""
        request, self.request, self.idle_since = self.request, IDLE, _now()
        if request == IDLE:  # an answer that nobody asked for
            self.transport.abort()
            return
        self.load.answered(request, self.parser.get_status_code(), self.body)
        if self.parser.should_keep_alive():
            self.load.free_connection(self)
        else:
            self.transport.close()

    def connection_lost(self, reason: Exception | None) -> None:
        """The server (or a broken answer) closed it."""
        self.load.lost_connection(self)
