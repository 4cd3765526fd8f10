"""Speaks HTTP: uvicorn's protocol, with a short way for the question that everyone asks.

ASGI costs an ordinary `POST /predict` a task, an event, a scope and two writes, more than its
model does. Here it costs one callback and one write. Whatever is not ordinary, another path, a
body in chunks, a request that is piped after another, goes the way of ASGI.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from functools import partial
from time import monotonic
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.answers import Answer
from serving.app import PATH, Endpoint
from serving.refusals import refusal
from serving.requests import MAX_BODY, BadRequest

_PATH = PATH.encode()
_OK = b"content-type: application/json\r\ncontent-length: %d\r\n"
_CLOSING = b"connection: close\r\n"

WHOLE_S = 10.0
"""Seconds in which a request must be whole; also the first of a connection, from its opening."""

_LAST_DATA_RECV = 52
"""Where `struct tcp_info` of linux/tcp.h has the ms since data last came in, a uint32."""
_TCP_INFO = getattr(socket, "TCP_INFO", None)


class Cycle:
    """A request on the short way, in the place of uvicorn's own cycle."""

    __slots__ = ("body", "disconnected", "headers", "keep_alive", "response_complete")
    message_event = asyncio.Event()  # uvicorn sets it; nobody waits here
    response_started = False

    def __init__(self, headers: dict[bytes, bytes], keep_alive: bool) -> None:
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.response_complete = self.disconnected = False

    @property
    def more_body(self) -> bool:
        """Whether its body is not whole yet."""
        return len(self.body) < int(self.headers[b"content-length"])


class Protocol(HttpToolsProtocol):
    """One connection."""

    app: Endpoint
    cycle: Cycle  # type: ignore[assignment]
    begun = math.inf
    """When the request began that is not whole yet, by the monotonic clock."""
    resting = math.inf
    """Since when it waits for another request, where the short way answered the last one. uvicorn's
    own timer for that costs as much as reading a request: to be set, and cancelled, for each."""
    upgrading = False
    """Whether the request that is being read asks for another protocol."""
    _told: ClassVar[tuple[list[tuple[bytes, bytes]], bytes]] = ([], b"")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the first request."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.begun = monotonic()

    def close_if_stalled(self, now: float) -> None:
        """Gives up a request that is not whole in time, with 408 where it is known what it is; and
        a connection on which no other request comes."""
        if now - self.resting > self.timeout_keep_alive:
            self.transport.close()
        if now - self.begun < WHOLE_S or self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.close()
        elif cycle.more_body and not cycle.response_started and not self.pipeline:
            expected = f"all of it within {WHOLE_S:.0f} s"
            cycle.keep_alive = False
            self._refuse(cycle, BadRequest(408, "the request is not whole", expected=expected))
            cycle.disconnected = True  # whoever waits for the rest shall go

    def data_received(self, data: bytes) -> None:
        """Reads on."""
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as found:
            if self.upgrading:
                self._read_as_it_is(data[found.args[0] :])
        except httptools.HttpParserError:
            said = "Invalid HTTP request received."
            self.logger.warning(said)
            self.send_400_response(said)

    def _read_as_it_is(self, rest: bytes) -> None:
        """Reads a request again without its wish for another protocol (RFC 9110, 7.8).

        The parser takes what comes after such a head for that protocol.
        """
        head = b"%s %s HTTP/1.1\r\n" % (self.parser.get_method(), self.url)
        kept = b"".join(b"%s: %s\r\n" % each for each in self.headers if each[0] != b"upgrade")
        self.upgrading = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.data_received(b"%s%s\r\n%s" % (head, kept, rest))

    def on_message_begin(self) -> None:
        """Begins without a scope, which only the other way needs."""
        self.begun = monotonic()
        self.resting = math.inf
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Chooses the way."""
        headers = dict(self.headers)
        if b"upgrade" in headers and self.parser.should_upgrade():
            self.upgrading = True
            return
        if not self._is_ordinary(headers):
            self._begin_again()
            super().on_headers_complete()
            return
        http_1_0 = self.parser.get_http_version() == "1.0"
        self.cycle = Cycle(headers, not http_1_0 and self.parser.should_keep_alive())

    def _begin_again(self) -> None:
        """As uvicorn begins, with what has come since."""
        url, expect, headers = self.url, self.expect_100_continue, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers  # the scope has this list

    def _is_ordinary(self, headers: dict[bytes, bytes]) -> bool:
        length = headers.get(b"content-length", b"")
        return (
            self.url == _PATH
            and self.parser.get_method() == b"POST"
            and length.isdigit()
            and int(length) <= MAX_BODY
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)
        )

    def on_message_complete(self) -> None:
        """Asks."""
        if self.upgrading:
            return
        self.begun = math.inf
        cycle = self.cycle
        if cycle.__class__ is not Cycle:
            super().on_message_complete()
            return
        arrived = monotonic()
        if self.app.busy:
            arrived -= self._unread()
        try:
            answer = self.app.ask(cycle.headers, bytes(cycle.body), arrived)
        except Exception as fault:
            self._refuse(cycle, fault)
        else:
            answer.add_done_callback(partial(self._answered, cycle, arrived))

    def _unread(self) -> float:
        """Seconds that the request lay in the socket while the process did something else."""
        if _TCP_INFO is None:
            return 0.0
        connection = self.transport.get_extra_info("socket")
        found = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _LAST_DATA_RECV + 4)
        if len(found) < _LAST_DATA_RECV + 4:
            return 0.0
        milliseconds: int = struct.unpack_from("=I", found, _LAST_DATA_RECV)[0]
        return milliseconds / 1_000

    def _answered(self, cycle: Cycle, arrived: float, found: asyncio.Future[Answer]) -> None:
        fault = found.exception()
        if fault is None:
            body = self.app.encoded(found.result(), arrived)
            self._write(cycle, 200, _OK % len(body), body)
        else:
            self._refuse(cycle, fault)

    def _refuse(self, cycle: Cycle, fault: BaseException) -> None:
        status, headers, body = refusal(fault)
        self._write(cycle, status, b"".join(b"%s: %s\r\n" % each for each in headers), body)

    def _write(self, cycle: Cycle, status: int, headers: bytes, body: bytes) -> None:
        cycle.response_complete = True
        if cycle.disconnected:
            return
        closing = b"" if cycle.keep_alive else _CLOSING
        self.transport.write(
            b"%s%s%s%s\r\n%s" % (STATUS_LINE[status], self._usual(), headers, closing, body)
        )
        if not cycle.keep_alive:
            self.transport.close()
        if self.pipeline:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        if self.begun == math.inf:
            self.resting = monotonic()

    def _usual(self) -> bytes:
        """The headers of every answer; uvicorn makes a new list of them each second."""
        headers = self.server_state.default_headers
        if Protocol._told[0] is not headers:
            Protocol._told = headers, b"".join(b"%s: %s\r\n" % each for each in headers)
        return Protocol._told[1]
