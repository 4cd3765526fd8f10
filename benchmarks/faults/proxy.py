"""A TCP proxy that goes wrong on command: delays, hangs, resets, trickles."""

from __future__ import annotations

import asyncio
import threading
from enum import StrEnum

CHUNK = 65_536
TRICKLE_S = 0.01
"""Between two bytes of a trickle."""


class Fault(StrEnum):
    """What the proxy does to every connection, old and new."""

    NONE = "none"
    DELAY = "delay"
    HANG = "hang"
    RESET = "reset"
    TRICKLE = "trickle"


class Proxy:
    """Stands before `host:port` on a port of its own, in a thread, while entered as a context.

    `set` changes what it does at any moment. A hang holds what was sent until the fault ends, as a
    network does that is cut and mended; a reset breaks all connections and every new one.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._target = host, port
        self._fault, self._delay = Fault.NONE, 0.0
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def set(self, fault: Fault, delay: float = 0.0) -> None:
        """From now on; `delay` in seconds is what a delay adds to every piece, each way."""
        self._loop.call_soon_threadsafe(self._set, fault, delay)

    def _set(self, fault: Fault, delay: float) -> None:
        self._fault, self._delay = fault, delay
        if fault is Fault.HANG:
            self._flowing.clear()
        else:
            self._flowing.set()
        if fault is Fault.RESET:
            for writer in self._open:
                writer.transport.abort()

    def _run(self) -> None:
        start = asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1_024)
        server = self._loop.run_until_complete(start)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        for writer in self._open:
            writer.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.RESET:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while data := await reader.read(CHUNK):
                await self._pass(data, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        if self._fault is Fault.DELAY:
            await asyncio.sleep(self._delay)
        sent = 0
        while self._fault is Fault.TRICKLE and sent < len(data):
            writer.write(data[sent : sent + 1])
            await writer.drain()  # raises where the connection is lost
            sent += 1
            await asyncio.sleep(TRICKLE_S)
        writer.write(data[sent:])
        await writer.drain()
