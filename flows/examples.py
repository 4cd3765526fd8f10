"""The topic `examples`: every id is written once and read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.checks import Checks, checked
from flows.parts import Part
from flows.reading import Reading
from flows.tail import Position
from infra import kafka
from infra.kafka import Raw, raw_of
from infra.sending import Sender
from online_models.joining import Example
from online_models.seen import Seen
from schemas.avro import CORE

REMEMBERED = 20_000
"""Ids that are known for read. A copy can only come from a writer that was killed while its last
records were on their way, so it stands close behind."""


class ExampleBatch(NamedTuple):
    """Examples in the order of the log, and what could not be read."""

    examples: list[Example]
    dead: list[dict[str, Any]]


class ExamplesPart(Part):
    """Examples to learn from. On resume it reads the ids before its place again, silently."""

    def __init__(self, reading: Reading, resume: Position | None) -> None:
        super().__init__(reading)
        start = None
        if resume is not None:
            reading.tail("examples", 0, resume).close()  # is it the same log?
            start = Position(max(0, resume.offset - REMEMBERED))
        self._resume = resume or Position(0)
        self._tail = reading.tail("examples", 0, start)
        decoder = reading.decoder({"example": CORE["example"]})
        self._decode = checked(reading.flow, decoder.batch, Checks(reading.domain))
        self._seen = Seen(REMEMBERED)

    def read(self) -> list[ExampleBatch]:
        """One batch, or none."""
        raws = self._tail.take(self.reading.batch)
        self.reading.gauge(self._tail, raws)
        known = [raw for raw in raws if raw.offset < self._resume.offset]
        self._seen.new(self._split(known).examples)
        batch = self._split(raws[len(known) :])
        fresh = ExampleBatch(self._seen.new(batch.examples), batch.dead)
        return [fresh] if fresh.examples or fresh.dead else []

    def ended(self) -> bool:
        """Whether all that the join wrote has been read."""
        end = self.reading.examples_end
        return end is not None and self._tail.at_end and self._tail.position.offset >= end

    def snapshot(self) -> Position:
        """Where to read on."""
        return max(self._tail.position, self._resume, key=lambda position: position.offset)

    def close(self) -> None:
        """Leaves the broker."""
        self._tail.close()

    def _split(self, raws: Sequence[Raw]) -> ExampleBatch:
        entries = self._decode(self._tail.topic, 0, raws)
        good = [entry.record for entry in entries if entry.name]
        return ExampleBatch(good, [entry.record for entry in entries if not entry.name])


class Joined(NamedTuple):
    """What the join gives: examples in their order, dead letters, and whether these are the last.

    They are where all of the log is read and the flow shall end there.
    """

    examples: list[Example]
    dead: list[dict[str, Any]]
    last: bool = False


class ExamplesOut(StatefulSinkPartition[Joined, int]):  # type: ignore[misc]
    """Writes examples, except those that an earlier run wrote after the snapshot it resumes from.

    These it finds by reading the topic from the offset in the snapshot to the end.
    """

    def __init__(self, reading: Reading, resume: int | None) -> None:
        self._reading = reading
        self._sender = Sender(reading.settings, reading.domain, reading.registry)
        self._end, written = _read_from(reading, resume)
        self._written = {example["id"] for example in written}
        self._settled = set(self._written)
        self._corrected: set[tuple[str, int]] = set()
        for example in written:
            self._settled.update(label["id"] for label in example["provisional"])
            self._corrected.update((told["id"], told["time"]) for told in example["corrections"])

    def write_batch(self, values: Sequence[Joined]) -> None:
        """Sends what is not there yet; after the last says up to where there is what to learn."""
        for joined in values:
            for example in joined.examples:
                if example["id"] in self._written:
                    self._written.discard(example["id"])
                else:
                    record = {**example, **self._unwritten(example)}
                    self._sender.send("examples", "example", record, example["id"])
            if joined.last:
                self._reading.examples_end = self.snapshot()

    def snapshot(self) -> int:
        """The topic's end once all is delivered (not after it, should others write too)."""
        self._sender.flush()
        return self._end + self._sender.delivered

    def _unwritten(self, example: Example) -> dict[str, list[Example]]:
        """What goes with it, without what an earlier run wrote, or labels of what it joined.

        That run may have sent it with another example: which is the next one depends on arrivals.
        """
        return {
            "provisional": [p for p in example["provisional"] if p["id"] not in self._settled],
            "corrections": [
                told
                for told in example["corrections"]
                if (told["id"], told["time"]) not in self._corrected
            ],
        }

    def close(self) -> None:
        """Waits for delivery."""
        self._sender.flush()


def _read_from(reading: Reading, start: int | None) -> tuple[int, list[Example]]:
    """The topic's end, and the examples from an offset up to there."""
    settings, topic = reading.settings, reading.domain.topic("examples")
    raws = [
        raw_of(m) for m in kafka.read_topic(settings, topic, start={0: start} if start else None)
    ]
    good, _ = reading.decoder({"example": CORE["example"]}).batch(topic, 0, raws)
    end = raws[-1].offset + 1 if raws else start or 0
    return end, [record for _, record, _ in good]


class ExamplesSink(FixedPartitionedSink[Joined, int]):  # type: ignore[misc]
    """The topic's one partition."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def list_parts(self) -> list[str]:
        """One part."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> ExamplesOut:
        """Reads back what was written since the snapshot."""
        return ExamplesOut(self._reading, resume_state)
