"""The part of joined examples: predictions and labels of all partitions, merged and joined.

Where a domain declares provisional labels, the events are merged in as a third stream.

Its place in the log is its whole recovery state. The join's memory is rebuilt on resume by reading
the log's last stretch (two deadlines of event time) once more, silently; so a snapshot is a few
hundred bytes, however much is pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import NamedTuple

from flows.checks import Checks, checked
from flows.examples import Joined
from flows.merge import AT_ONCE, Decode, Entry, Feed, Merge
from flows.parts import Part
from flows.reading import Reading
from flows.tail import Position
from infra import metrics
from infra.decoding import Decoded
from infra.kafka import Raw
from online_models.joining import Counts, Example, JoinState
from online_models.provisional import Labelling
from schemas.avro import CORE

STREAMS = {"predictions": "prediction", "labels": "label"}
"""The topics that are joined, and the record that belongs in each."""
PROVISIONAL, NOTHING = "provisional", "nothing"
"""Names of entries made of events."""


class JoinPlace(NamedTuple):
    """A point of the join: the watermark, and where every partition stood."""

    watermark: int
    positions: tuple[Position, ...]


class JoinSnapshot(NamedTuple):
    """Where the join stands, and earlier places; its memory is rebuilt from the first of them."""

    now: tuple[Position, ...]
    memory: tuple[JoinPlace, ...]


class JoinPart(Part):
    """Predictions and labels, merged by event time and joined; see `online_models.joining`."""

    def __init__(self, reading: Reading, resume: JoinSnapshot | None) -> None:
        super().__init__(reading)
        self.state = JoinState(reading.domain.label)
        self._labelling = Labelling(reading.domain.provisional)
        self._until = resume.now if resume else None
        self._last = False
        self._merge = Merge([*self._feeds(resume)])
        self._memory = list(resume.memory) if resume else [JoinPlace(AT_ONCE, self._positions())]

    def read(self) -> list[Joined]:
        """What became complete, as one item."""
        entries = self._merge.take(self.reading.batch)
        if self._until is not None:
            self._rebuild(entries)
            return []
        done = Joined([], [])
        for entry in entries:
            if entry.name:
                done.examples.extend(self._join(entry))
            else:
                done.dead.append(entry.record)
        self._remember()
        self._tell()
        self._last = self.reading.until_end and self._at_end()
        return [done._replace(last=self._last)] if done.examples or done.dead or self._last else []

    def ended(self) -> bool:
        """Whether predictions and labels are at their ends, and the flow has heard so."""
        return self._at_end() and (self._last or not self.reading.until_end)

    def snapshot(self) -> JoinSnapshot:
        """Where to read on, and from where to read again first."""
        return JoinSnapshot(self._until or self._positions(), tuple(self._memory))

    def close(self) -> None:
        """Leaves the broker."""
        self._merge.close()

    def _feeds(self, resume: JoinSnapshot | None) -> Iterable[Feed]:
        streams = (*STREAMS, "events") if self.reading.domain.provisional else tuple(STREAMS)
        places = self.reading.places(streams, resume.now if resume else None)
        for i, (stream, partition) in enumerate(places):
            start = Position(resume.memory[0].positions[i].offset) if resume else None
            until = resume.now[i] if resume else None
            tail = self.reading.tail(stream, partition, start)
            decode = self._decoding_events() if stream == "events" else self._decoding(stream)
            yield Feed(tail, decode, self.reading.batch, until)

    def _at_end(self) -> bool:
        return self._until is None and self._merge.ended()

    def _positions(self) -> tuple[Position, ...]:
        return tuple(feed.done for feed in self._merge.feeds)

    def _join(self, entry: Entry) -> list[Example]:
        if entry.name == PROVISIONAL:
            self.state.provisional(entry.record["label"])
        elif entry.name != NOTHING:
            take = self.state.prediction if entry.name == "prediction" else self.state.label
            return take(entry.record)
        return []

    def _rebuild(self, entries: Sequence[Entry]) -> None:
        """Takes in again what was taken in before the snapshot; its outcome is in the log."""
        for entry in entries:
            if entry.name:
                self._join(entry)
        if self._merge.ended():
            self._merge.lift()
            self._until = None
            self.state.counts = Counts()

    def _remember(self) -> None:
        """Notes places to rebuild from; nothing older than two deadlines is in memory."""
        watermark, span = self.state.watermark, self.reading.domain.label.deadline
        if watermark - self._memory[-1].watermark < span // 8:
            return
        self._memory.append(JoinPlace(watermark, self._positions()))
        while len(self._memory) > 1 and self._memory[1].watermark < watermark - 2 * span:
            del self._memory[0]

    def _decoding(self, stream: str) -> Decode:
        name, flow = STREAMS[stream], self.reading.flow
        decoder = self.reading.decoder({name: CORE[name]})

        def counted(topic: str, partition: int, raws: Sequence[Raw]) -> Decoded:
            decoded = decoder.batch(topic, partition, raws)
            metrics.EVENTS.labels(flow, name).inc(len(decoded.good))
            return decoded

        return checked(flow, counted, Checks(self.reading.domain))

    def _decoding_events(self) -> Decode:
        """Events as provisional labels; flows/features buries those that cannot be read."""
        domain = self.reading.domain
        decoder = self.reading.decoder(domain.event_schemas)

        def decode(topic: str, partition: int, raws: Sequence[Raw]) -> list[Entry]:
            found = {}
            for name, record, offset in decoder.batch(topic, partition, raws).good:
                label = self._labelling.of(name, record)
                if label is not None:
                    found[offset] = Entry(label.time, PROVISIONAL, {"label": label})
            nothing = Entry(AT_ONCE, NOTHING, {})
            return [found.get(raw.offset, nothing) for raw in raws]

        return decode

    def _tell(self) -> None:
        counts, self.state.counts = self.state.counts, Counts()
        for outcome, number in zip(Counts.__slots__, astuple(counts), strict=True):
            metrics.JOINS.labels(outcome).inc(number)
        metrics.JOIN_PENDING.labels("predictions").set(self.state.pending_predictions)
        metrics.JOIN_PENDING.labels("labels").set(self.state.pending_labels)
        for feed in self._merge.feeds:
            self.reading.gauge(feed.records, [feed.last] if feed.last else [])
