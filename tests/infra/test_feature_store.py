"""One suite for Redis and Redis Cluster: a shard is written whole or not, and never backwards."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from infra.feature_store import (
    SHARDS,
    EntityKey,
    FeatureReader,
    FeatureStore,
    StoreWentBack,
    blob_name,
    progress_name,
    shard_of,
)
from infra.settings import Settings
from schemas import domains
from schemas.declare import DAY, Domain

WRITERS = 3
_FORKS = multiprocessing.get_context("forkserver")


@pytest.fixture(params=["redis_url", "cluster_url"])
def stored(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings for one Redis, and for a cluster."""
    return settings.model_copy(update={"redis": request.getfixturevalue(request.param)})


def client_of(settings: Settings) -> Any:
    url = settings.redis_url
    if url.startswith("redis+cluster"):
        return redis.RedisCluster.from_url(url.replace("redis+cluster", "redis"))
    return redis.Redis.from_url(url)


def keys_in(shard: int, number: int) -> list[EntityKey]:
    """Keys of entities of one shard."""
    every = (("origin", f"k{i}") for i in count())
    return list(islice((key for key in every if shard_of(*key) == shard), number))


def test_what_is_written_is_read_from_every_shard(stored: Settings, domain: Domain) -> None:
    store = FeatureStore(stored, domain)
    wanted: dict[EntityKey, bytes] = {}
    for shard in range(SHARDS):
        blobs = {key: bytes([shard]) * 40 for key in keys_in(shard, 5)}
        assert store.progress(shard) is None
        assert store.write(shard, blobs, (3, 0, shard), None)
        assert store.progress(shard) == (3, 0, shard)
        wanted |= blobs
    absent = ("origin", "nowhere")
    keys = random.Random(1).sample([*wanted, absent], len(wanted) + 1)
    assert store.read(keys) == [wanted.get(key) for key in keys]
    assert store.read([]) == []
    store.ping()
    store.close()
    assert asyncio.run(_read(stored, domain, keys)) == [wanted.get(key) for key in keys]


async def _read(settings: Settings, domain: Domain, keys: list[EntityKey]) -> list[bytes | None]:
    slow = settings.model_copy(update={"redis_timeout_ms": 5_000.0})
    reader = FeatureReader(slow, domain)
    try:
        await reader.warm()
        await reader.ping()
        return await reader.read(keys)
    finally:
        await reader.close()


def test_a_reader_outlives_its_connection_and_reads_that_were_given_up(
    stored: Settings, domain: Domain
) -> None:
    first, second = keys_in(1, 2)
    store = FeatureStore(stored, domain)
    assert store.write(1, {first: b"first", second: b"second"}, (1, 1), None)

    async def check() -> None:
        reader = FeatureReader(stored.model_copy(update={"redis_timeout_ms": 5_000.0}), domain)
        try:
            await reader.warm()
            if not stored.redis_url.startswith("redis+cluster"):  # whose client looks after its own
                client_of(stored).client_kill_filter(_type="normal", skipme=True)
            assert await reader.read([first]) == [b"first"]
            for steps in range(1, 6):
                given_up = asyncio.ensure_future(reader.read([first]))
                for _ in range(steps):
                    await asyncio.sleep(0)
                given_up.cancel()
                assert await reader.read([second]) == [b"second"]
        finally:
            await reader.close()

    asyncio.run(check())


def test_a_lagging_writer_is_refused_with_nothing_written(stored: Settings, domain: Domain) -> None:
    ahead, behind = FeatureStore(stored, domain), FeatureStore(stored, domain)
    one, two = keys_in(2, 2)
    assert ahead.write(2, {one: b"old"}, (5, 5), None)
    assert ahead.write(2, {one: b"new"}, (9, 5), (5, 5))
    assert not behind.write(2, {one: b"stale", two: b"stale"}, (7, 6), (5, 5))
    assert not behind.write(2, {one: b"first"}, (1, 0), None)
    assert ahead.read([one, two]) == [b"new", None]
    assert ahead.progress(2) == (9, 5)


def test_the_shards_behind_the_log_are_told_with_their_progress(
    stored: Settings, domain: Domain
) -> None:
    store = FeatureStore(stored, domain)
    assert store.behind({}) == {}
    assert store.behind({0: 1}) == dict.fromkeys(range(SHARDS))
    for shard in range(SHARDS):
        assert store.write(shard, {}, (3, shard), None)
    assert store.all_progress() == [(3, shard) for shard in range(SHARDS)]
    assert store.behind({0: 3, 1: 2}) == {0: (3, 0), 1: (3, 1)}
    assert store.behind({0: 4}) == {shard: (3, shard) for shard in range(SHARDS)}


def test_a_store_that_lost_what_was_written_is_told(stored: Settings, domain: Domain) -> None:
    store = FeatureStore(stored, domain)
    [key] = keys_in(0, 1)
    assert store.write(0, {key: b"x"}, (5, 5), None)
    with pytest.raises(StoreWentBack, match=r"is \(5, 5\), was \(9, 5\).*restart the flow"):
        store.write(0, {key: b"y"}, (11, 5), (9, 5))
    client_of(stored).delete(progress_name(domain.name, stored.generation, 0))
    with pytest.raises(StoreWentBack, match="is None"):
        store.write(0, {key: b"y"}, (6, 5), (5, 5))
    assert store.read([key]) == [b"x"]


def test_a_blob_of_another_shard_is_refused(stored: Settings, domain: Domain) -> None:
    [key] = keys_in(3, 1)
    with pytest.raises(ValueError, match=r"is of shard 3, not 4"):
        FeatureStore(stored, domain).write(4, {key: b"x"}, (1,), None)


def test_blobs_expire_after_the_largest_window_and_progress_never(
    stored: Settings, domain: Domain
) -> None:
    store, client = FeatureStore(stored, domain), client_of(stored)
    [key] = keys_in(1, 1)
    assert store.write(1, {key: b"x"}, (1,), None)
    left = client.pttl(blob_name(domain.name, stored.generation, *key))
    assert domain.horizon == 28 * DAY
    assert domain.horizon - 60_000 < left <= domain.horizon
    assert client.pttl(progress_name(domain.name, stored.generation, 1)) == -1


def test_a_shard_lies_in_one_slot_so_that_one_script_may_write_it(domain: Domain) -> None:
    tag = f"{{{domain.name}:g1:2}}"
    names = [blob_name(domain.name, "g1", *key) for key in keys_in(2, 50)]
    assert names[0] == f"hr:{tag}:origin:{keys_in(2, 1)[0][1]}"
    assert progress_name(domain.name, "g1", 2) == f"hr:{tag}:progress"
    slot = key_slot
    assert {slot(name.encode()) for name in names} == {slot(tag[1:-1].encode())}
    assert len({slot(progress_name("flights", "g1", s).encode()) for s in range(SHARDS)}) == SHARDS
    assert [shard_of("origin", key) for key in ("JFK", "LGA", "EWR")] == [5, 0, 0]


def test_progress_is_little_endian_64_bits(stored: Settings, domain: Domain) -> None:
    assert FeatureStore(stored, domain).write(0, {}, (1, 2**40), None)
    found = client_of(stored).get(progress_name(domain.name, stored.generation, 0))
    assert found == struct.pack("<qq", 1, 2**40)


def test_generations_are_kept_apart(stored: Settings, domain: Domain) -> None:
    other = stored.model_copy(update={"generation": f"{stored.generation}b"})
    one, two = FeatureStore(stored, domain), FeatureStore(other, domain)
    [key] = keys_in(6, 1)
    assert one.write(6, {key: b"a"}, (1,), None)
    assert two.progress(6) is None
    assert two.read([key]) == [None]


def contend(settings: Settings, number: int, until: int) -> int:
    """Writes a shard on from wherever it stands, as a flow does; gives how often it was refused.

    What is written tells the progress, so that a blob and a progress of two writers would show.
    All begin at once, each believing to be the first.
    """
    store = FeatureStore(settings, domains.load("flights"))
    draw, keys, refused = random.Random(number), keys_in(5, 8), 0
    expected = store.progress(5)
    _meet(settings)
    while (at := expected[0] if expected else 0) < until:
        after = (at + draw.randrange(1, 4),)
        if store.write(5, dict.fromkeys(keys, b"%d" % after), after, expected):
            expected = after
        else:
            refused += 1
            expected = store.progress(5)
    store.close()
    return refused


def _meet(settings: Settings) -> None:
    client, name = client_of(settings), f"meet:{settings.generation}"
    client.incr(name)
    deadline = time.monotonic() + 60
    while int(client.get(name)) < WRITERS:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def torn(settings: Settings, generation: str, until: int) -> int:
    """Looks at the shard while it is being written; gives how many looks showed two states."""
    client, found = client_of(settings), 0
    names = [progress_name("flights", generation, 5)]
    names += [blob_name("flights", generation, *key) for key in keys_in(5, 8)]
    at = 0
    while at < until:
        progress, *blobs = client.mget(names)
        now = struct.unpack("<q", progress)[0] if progress else 0
        found += {b"%d" % now} != {*blobs} if now else any(blobs)
        found += now < at
        at = now
    return found


def test_writers_of_several_processes_never_mix_and_never_go_back(stored: Settings) -> None:
    with _FORKS.Pool(WRITERS - 1) as pool, ThreadPoolExecutor(2) as threads:
        others = pool.starmap_async(
            contend, [(stored, number, 200) for number in range(1, WRITERS)]
        )
        own = threads.submit(contend, stored, 0, 200)
        mixed = threads.submit(torn, stored, stored.generation, 200)
        refused = sum(others.get(90)) + own.result(90)
        assert mixed.result(90) == 0
    assert refused >= WRITERS - 1
