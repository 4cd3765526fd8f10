"""Where records go to the log: at least once, each batch delivered before the epoch ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.reading import Reading
from infra import metrics
from infra.dead_letters import key_of
from infra.sending import Sender


class Outgoing(NamedTuple):
    """A record for the log: the name of its schema, its Kafka key and itself."""

    name: str
    key: str
    record: Mapping[str, Any]


class LogPart(StatelessSinkPartition[Outgoing]):  # type: ignore[misc]
    """Sends batches and waits for their delivery; raises Undelivered."""

    def __init__(self, reading: Reading, stream: str) -> None:
        self._sender = Sender(reading.settings, reading.domain, reading.registry)
        self._stream = stream

    def write_batch(self, items: Sequence[Outgoing]) -> None:
        """Sends, then waits: a snapshot of the sources must not be ahead of what was delivered."""
        for name, key, record in items:
            self._sender.send(self._stream, name, record, key)
        self._sender.flush()


class LogSink(DynamicSink[Outgoing]):  # type: ignore[misc]
    """One of the domain's topics. After a crash the last epoch's records come again."""

    def __init__(self, reading: Reading, stream: str) -> None:
        self._reading = reading
        self._stream = stream

    def build(self, step_id: str, worker_index: int, worker_count: int) -> LogPart:
        """A producer for every worker."""
        return LogPart(self._reading, self._stream)


def dead_letters(reading: Reading, letters: Sequence[Mapping[str, Any]]) -> list[Outgoing]:
    """Dead letters, counted, for the log; keyed by their place, so that a copy is known for one."""
    for letter in letters:
        metrics.DEAD_LETTERS.labels(reading.flow, letter["reason"]).inc()
    return [Outgoing("dead_letter", key_of(letter), letter) for letter in letters]
