"""The end of a partition into which something is always being written."""

from __future__ import annotations

import time

from flows.fetcher import Fetcher
from flows.tail import Tail
from tests.flows.logs import Log

EVERY_S, RECORDS = 0.02, 50
WAIT_MS = 100
"""A fetch that waits so long always finds a record, so the broker never tells the end."""


def test_a_live_partition_is_at_its_end_although_it_never_rests(log: Log) -> None:
    log.write_bytes("labels", [b"first"], b"key")
    ((topic, partition),) = log.sender.positions
    tail = Tail(log.settings, Fetcher(log.settings, WAIT_MS), topic, partition, live=True)
    ends: list[bool] = []
    while tail.position.offset < RECORDS:
        log.write_bytes("labels", [b"next"], b"key")
        time.sleep(EVERY_S)
        if tail.take(100):
            ends.append(tail.at_end)
    tail.close()
    assert len(ends) > 3
    assert sum(ends) > len(ends) // 2
