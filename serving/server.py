"""Runs the endpoint under uvicorn until it is told to stop, and stops it cleanly."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import uvicorn

from infra import garbage
from infra.settings import Settings
from schemas.declare import Domain
from serving.app import Endpoint
from serving.protocol import Protocol
from serving.service import Service

DRAIN_S = 10
BACKLOG = 2_048
TICKS_OF_A_SECOND = 10


class Server(uvicorn.Server):
    """Stops on SIGINT and SIGTERM without raising them again once all is done."""

    async def main_loop(self) -> None:
        """Serves; looking through all that is loaded again and again would take milliseconds."""
        with garbage.seldom_collected(garbage.BRIEFLY):
            await super().main_loop()

    async def on_tick(self, counter: int) -> bool:
        """Looks once a second for requests that do not become whole."""
        if counter % TICKS_OF_A_SECOND == 0:
            now = monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Protocol):
                    connection.close_if_stalled(now)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes the signals where this is the main thread's loop."""
        loop = asyncio.get_running_loop()
        with suppress(RuntimeError, ValueError):  # a loop of another thread takes no signals
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def make(settings: Settings, domain: Domain, service: Service | None = None) -> Server:
    """A server that is not running yet."""
    config = uvicorn.Config(
        Endpoint(service or Service(settings, domain)),
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=DRAIN_S,
    )
    return Server(config)


def serve(settings: Settings, domain: Domain, share_port: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; raises Undelivered if a prediction was not logged.

    With `share_port` other processes may listen on the same port.
    """
    service = Service(settings, domain)
    server = make(settings, domain, service)
    server.run(sockets=[_shared(settings)] if share_port else None)
    if service.fault is not None:
        raise service.fault


def _shared(settings: Settings) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((settings.http_host, settings.http_port))
    return listening
