"""Entities' state in Redis or Redis Cluster, in shards that are written whole or not at all.

A shard's blobs and its progress (the next offset of every partition) stand in one hash slot and
are written by one script that refuses when the progress is not what its writer expected. So a
shard always holds exactly the events below its progress, whoever writes.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import redis
import redis.asyncio
from hiredis import pack_command
from redis.asyncio import Connection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff

from infra.settings import Settings
from schemas.declare import Domain

SHARDS = 8
_SILENCE = 0.5
"""Seconds after which a read fails by itself. Who reads for a request gives up sooner, by a clock
that knows how busy the event loop is."""

_CLUSTER = "redis+cluster://"
_SCRIPT = (Path(__file__).parent / "write_shard.lua").read_text()

EntityKey = tuple[str, str]
"""Name of the entity, and its key."""


class StoreError(RuntimeError):
    """Redis does not answer or holds something foreign; names the URL."""


class StoreWentBack(StoreError):
    """The store holds less than its writer wrote: it was emptied or restored behind its back."""


def shard_of(entity: str, key: str) -> int:
    """The shard in which an entity's state is kept."""
    return zlib.crc32(f"{entity}:{key}".encode()) % SHARDS


def blob_name(domain: str, generation: str, entity: str, key: str) -> str:
    """Redis key of an entity's state."""
    return f"hr:{{{domain}:{generation}:{shard_of(entity, key)}}}:{entity}:{key}"


def progress_name(domain: str, generation: str, shard: int) -> str:
    """Redis key of a shard's progress."""
    return f"hr:{{{domain}:{generation}:{shard}}}:progress"


class ShardWrite(NamedTuple):
    """What a shard becomes: its touched blobs, and its progress in place of the `expected` one."""

    shard: int
    blobs: Mapping[EntityKey, bytes]
    progress: Sequence[int]
    expected: Sequence[int] | None


class FeatureStore:
    """Reads and writes a generation's state; for flows and commands, blocking."""

    def __init__(self, settings: Settings, domain: Domain) -> None:
        self.url = settings.redis_url
        self._domain = domain.name
        self._horizon = domain.horizon
        self._generation = settings.generation
        self._redis = _connect(self.url, settings.wait_s)

    def read(self, keys: Sequence[EntityKey]) -> list[bytes | None]:
        """The blobs of entities, None where there is none."""
        names = [blob_name(self._domain, self._generation, *key) for key in keys]
        found: dict[str, bytes | None] = {}
        for group in _by_slot(self.url, names, keys):
            found.update(zip(group, self._redis.mget(group), strict=True))
        return [found[name] for name in names]

    def progress(self, shard: int) -> tuple[int, ...] | None:
        """The next offset of each partition that a shard is waiting for; None before any."""
        name = progress_name(self._domain, self._generation, shard)
        return _unpack(cast("bytes | None", self._redis.get(name)))

    def all_progress(self) -> list[tuple[int, ...] | None]:
        """The progress of every shard, in one round trip."""
        with self._redis.pipeline(transaction=False) as pipe:
            for shard in range(SHARDS):
                pipe.get(progress_name(self._domain, self._generation, shard))
            return [_unpack(found) for found in pipe.execute()]

    def behind(self, ends: Mapping[int, int]) -> dict[int, tuple[int, ...] | None]:
        """The shards that do not hold the log up to `ends` (partition: offset), their progress."""
        return {
            shard: progress
            for shard, progress in enumerate(self.all_progress())
            if any(progress is None or progress[p] < end for p, end in ends.items())
        }

    def write(
        self,
        shard: int,
        blobs: Mapping[EntityKey, bytes],
        progress: Sequence[int],
        expected: Sequence[int] | None,
    ) -> bool:
        """Writes one shard, see `write_all`."""
        return self.write_all([ShardWrite(shard, blobs, progress, expected)])[0]

    def write_all(self, writes: Sequence[ShardWrite]) -> list[bool]:
        """Writes shards in one round trip, each in one step if its progress is the expected one.

        False, with nothing of it written, for a shard where another writer is ahead: reload it.
        Raises StoreWentBack where the store is behind, ValueError for a blob of another shard.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            for write in writes:
                names = self._names(write)
                before, after = _pack(write.expected or ()), _pack(write.progress)
                arguments = [before, after, self._horizon, *write.blobs.values()]
                pipe.execute_command("EVAL", _SCRIPT, len(names), *names, *arguments)
            found = pipe.execute()
        for (shard, _, _, expected), other in zip(writes, found, strict=True):
            if other is not None:
                self._refuse_older(shard, _unpack(cast(bytes, other)), expected)
        return [other is None for other in found]

    def ping(self) -> None:
        """Raises redis.RedisError where Redis does not answer."""
        self._redis.ping()

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()

    def _names(self, write: ShardWrite) -> list[str]:
        shard = write.shard
        names = [progress_name(self._domain, self._generation, shard)]
        for entity, key in write.blobs:
            if shard_of(entity, key) != shard:
                raise ValueError(f"{entity} {key} is of shard {shard_of(entity, key)}, not {shard}")
            names.append(blob_name(self._domain, self._generation, entity, key))
        return names

    def _refuse_older(
        self, shard: int, found: tuple[int, ...] | None, expected: Sequence[int] | None
    ) -> None:
        if expected is None:
            return
        if found is None or any(a < b for a, b in zip(found, expected, strict=True)):
            raise StoreWentBack(
                f"{progress_name(self._domain, self._generation, shard)} at {self.url} is "
                f"{found}, was {tuple(expected)}: Redis lost what was written; restart the flow, "
                "and it replays from there"
            )


class FeatureReader:
    """Reads a generation's state from the endpoint's event loop; one round trip for many keys.

    Reads go one after the other over a connection of their own: borrowing one from a pool for each
    costs more than the command itself. On a cluster its client has one for every node.
    """

    def __init__(self, settings: Settings, domain: Domain) -> None:
        self.url = settings.redis_url
        self._prefix = (domain.name, settings.generation)
        self._redis = _connect_async(self.url, settings)
        cluster = self.url.startswith(_CLUSTER)
        self._line = None if cluster else self._redis.connection_pool.make_connection()
        self._turn = asyncio.Lock()

    async def warm(self) -> None:
        """Opens the connection, so that no request pays for it.

        Raises redis.RedisError where Redis does not answer in time.
        """
        await self.ping()
        await self._mget([progress_name(*self._prefix, 0)])

    async def ping(self) -> None:
        """Raises redis.RedisError where Redis does not answer in time."""
        await self._redis.ping()

    async def read(self, keys: Sequence[EntityKey]) -> list[bytes | None]:
        """The blobs of entities, None where there is none; redis.RedisError when late or down."""
        names = [blob_name(*self._prefix, *key) for key in keys]
        groups = _by_slot(self.url, names, keys)
        if len(groups) == 1:
            return await self._mget(names)
        found: dict[str, bytes | None] = {}
        answers = await asyncio.gather(*map(self._mget, groups))
        for group, answer in zip(groups, answers, strict=True):
            found.update(zip(group, answer, strict=True))
        return [found[name] for name in names]

    async def close(self) -> None:
        """Closes the connections."""
        if self._line is not None:
            await self._line.disconnect()
        await self._redis.aclose()

    async def _mget(self, names: list[str]) -> list[bytes | None]:
        if self._line is None:
            return cast("list[bytes | None]", await self._redis.mget(names))
        async with self._turn:  # who gives up a read leaves the connection before the next takes it
            try:
                return await self._over(self._line, names)
            except redis.ConnectionError:  # closed while nothing was asked: this opens it anew
                return await self._over(self._line, names)

    async def _over(self, line: Connection, names: list[str]) -> list[bytes | None]:
        command: Any = ("MGET", *names)
        await line.send_packed_command(pack_command(command))
        return cast("list[bytes | None]", await line.read_response())


def _by_slot(url: str, names: list[str], keys: Sequence[EntityKey]) -> list[list[str]]:
    """Names that one MGET may ask for: all of them, on a cluster those of one shard."""
    if not url.startswith(_CLUSTER):
        return [names] if names else []
    groups: dict[int, list[str]] = {}
    for name, key in zip(names, keys, strict=True):
        groups.setdefault(shard_of(*key), []).append(name)
    return list(groups.values())


def _connect(url: str, timeout: float) -> Any:
    wait = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    if url.startswith(_CLUSTER):
        return redis.RedisCluster.from_url(url.replace(_CLUSTER, "redis://"), **wait)
    return redis.Redis.from_url(url, **wait)


def _connect_async(url: str, settings: Settings) -> Any:
    timeout = max(_SILENCE, settings.redis_timeout_ms / 1_000)
    more: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": AsyncRetry(NoBackoff(), 0),
    }
    if url.startswith(_CLUSTER):
        return redis.asyncio.RedisCluster.from_url(url.replace(_CLUSTER, "redis://"), **more)
    return redis.asyncio.Redis.from_url(url, **more)


def _pack(progress: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(progress)}q", *progress)


def _unpack(data: bytes | None) -> tuple[int, ...] | None:
    return struct.unpack(f"<{len(data) // 8}q", data) if data else None
