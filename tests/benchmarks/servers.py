"""Small real HTTP servers with known faults, each in a process: `python servers.py KIND [VALUE]`.

Prints its port, then serves until its standard input closes. Answers as the endpoint does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable

Respond = Callable[[dict[str, object]], Awaitable[tuple[int, bytes]]]


def answer(request: dict[str, object], **fields: object) -> tuple[int, bytes]:
    reply = {"id": request["id"], "probability": 0.25, "model": "m", "version": 1, "degraded": []}
    return 200, json.dumps(reply | fields).encode()


class Servers:
    """One method a kind of server; `value` is its parameter."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.count = 0
        self.began = time.monotonic()

    async def constant(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Answers after `value` milliseconds, any number at once."""
        if self.value:
            await asyncio.sleep(self.value / 1e3)
        return answer(request)

    async def stalling(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Stands still for `value` milliseconds of every second."""
        since = (time.monotonic() - self.began) % 1.0
        if since < self.value / 1e3:
            time.sleep(self.value / 1e3 - since)
        return answer(request)

    async def single(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Works on one request at a time, `value` milliseconds each."""
        time.sleep(self.value / 1e3)
        return answer(request)

    async def faulty(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Of every ten: a shed, an error, a refusal, a fallback, a reset, five right."""
        self.count += 1
        match self.count % 10:
            case 0:
                return 503, b"{}"
            case 1:
                return 500, b"oops"
            case 2:
                return 422, b"{}"
            case 3:
                return answer(request, degraded=["features"])
            case 4:
                return 0, b""
        return answer(request)

    async def wrong(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Now and then the id of another, a probability of 7, or no JSON."""
        self.count += 1
        match self.count % 10:
            case 0:
                return answer(request, id="another")
            case 1:
                return answer(request, probability=7)
            case 2:
                return 200, b"<html>"
        return answer(request)

    async def status(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Answers every request with the status `value`; 0 breaks the connection."""
        return int(self.value), b"{}"

    async def hanging(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Never answers."""
        await asyncio.sleep(3_600)
        return answer(request)

    async def swapping(self, request: dict[str, object]) -> tuple[int, bytes]:
        """A new model version every `value` milliseconds."""
        return answer(request, version=int((time.monotonic() - self.began) * 1e3 / self.value))

    async def page(self, request: dict[str, object]) -> tuple[int, bytes]:
        """An answer, and HTML at every other path."""
        return answer(request)

    async def babble(self, request: dict[str, object]) -> tuple[int, bytes]:
        """An answer, and no HTTP at any other path."""
        return answer(request)

    async def unbounded(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Answers by HTTP/1.0, where the end of the connection ends the body."""
        return answer(request)

    async def truncated(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Says that more is to come, and closes."""
        return answer(request)

    async def shedding(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Answers nobody."""
        return 503, b"{}"

    async def closing(self, request: dict[str, object]) -> tuple[int, bytes]:
        """Closes the connection after every answer."""
        return answer(request)


METRICS = """# TYPE headrace_request_seconds histogram
headrace_request_seconds_bucket{stage="redis",le="0.001"} %d
headrace_request_seconds_bucket{stage="redis",le="0.002"} %d
headrace_request_seconds_bucket{stage="redis",le="+Inf"} %d
headrace_request_seconds_count{stage="redis"} %d
headrace_request_seconds_sum{stage="redis"} 1
"""
PAGE = b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s"
scrapes = itertools.count(1)


OTHERS = {
    "page": PAGE % (200, 13, b"<html></html>"),
    "babble": b"SSH-2.0-OpenSSH_9.6\r\n",
}
"""What some kinds of server answer to any GET."""

CUT = {
    "unbounded": b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n",
    "truncated": b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n",
}
"""Heads of answers after which the connection ends."""


def told(path: str) -> tuple[int, bytes]:
    """What the endpoint tells; every scrape finds 100 more requests, half of them under 1 ms."""
    if path == "/models":
        return 200, b'[{"name": "m", "version": 1}]'
    if path == "/metrics":
        scraped = next(scrapes)
        counts = (50 * scraped, 100 * scraped, 100 * scraped, 100 * scraped)
        return 200, (METRICS % counts).encode()
    return 404, b""


async def serve_connection(
    kind: str, respond: Respond, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if head.startswith(b"get "):
                if kind in OTHERS:
                    writer.write(OTHERS[kind])
                    break
                status, body = told(head.split()[1].decode())
                writer.write(PAGE % (status, len(body), body))
                continue
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            status, body = await respond(json.loads(await reader.readexactly(length)))
            if not status:
                break
            if kind in CUT:
                writer.write(CUT[kind] + body)
                break
            close = b"connection: close\r\n" if kind == "closing" else b""
            writer.write(
                b"HTTP/1.1 %d X\r\n%scontent-length: %d\r\n\r\n%s"
                % (status, close, len(body), body)
            )
            if close:
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(kind: str, value: float) -> None:
    respond: Respond = getattr(Servers(value), kind)
    server = await asyncio.start_server(
        lambda r, w: serve_connection(kind, respond, r, w), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
