"""Stops asking a store that does not answer, and finds out by itself when it does again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

PROBE_EVERY = 0.1
PROBE_PATIENCE = 0.5

_log = logging.getLogger(__name__)


class Breaker:
    """Closed while all is well. `trip` opens it; it closes when `ping` succeeds.

    `ping` raises when the store is not well; it is tried at once and then every 0.1 s.
    """

    def __init__(self, name: str, ping: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._ping = ping
        self._probe: asyncio.Task[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the store may be asked."""
        return self._probe is None

    def trip(self, why: str) -> None:
        """Opens it, where it is not open already."""
        if self._probe is None:
            _log.warning("%s does not answer (%s): going on without it", self._name, why)
            self._probe = asyncio.get_running_loop().create_task(self._until_well())

    async def close(self) -> None:
        """Gives up probing; for a stop."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait({self._probe})

    async def _until_well(self) -> None:
        since = monotonic()
        while not await self._well():
            await asyncio.sleep(PROBE_EVERY)
        _log.warning("%s answers again, after %.1f s", self._name, monotonic() - since)
        self._probe = None

    async def _well(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_PATIENCE):
                await self._ping()
        except Exception as fault:  # whatever it is, the store is not well yet
            _log.debug("%s: %r", self._name, fault)
            return False
        return True
