"""Scores a file or a range of a topic through the endpoint's own predictor, without HTTP.

It reads Redis and the models as the endpoint does, but waits for them: what is asked here has time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic

from infra import inspection, kafka, topics
from infra.dead_letters import key_of
from infra.decoding import Decoder
from infra.event_files import BadRow, BadRows, open_file
from infra.kafka import raw_of
from infra.registry import registry
from infra.settings import Settings
from schemas.declare import Domain
from serving.answer_files import AnswerFile
from serving.patient import Question, checked, patient, started
from serving.prediction_log import NoLog
from serving.service import Service

AT_ONCE = 512
"""Rows that are under way together."""
_READ = 500


class NoSuchRange(ValueError):
    """A range of a topic that cannot be read; says what is expected."""


@dataclass(frozen=True)
class Questions:
    """What is to be answered; `done` of `size` tell in `unit` how far it was read.

    None where the size is unknown.
    """

    items: Iterable[Question | BadRow]
    unit: str = "bytes"
    size: int | None = None
    done: Callable[[], int] = lambda: 0
    close: Callable[[], None] = lambda: None


@dataclass
class Scored:
    """What has been done so far."""

    answers: int = 0
    bad: BadRows = field(default_factory=BadRows)
    degraded: Counter[str] = field(default_factory=Counter)


def of_file(domain: Domain, path: Path) -> Questions:
    """The rows of an Avro, JSON lines or Parquet file; raises UnreadableFileError."""
    rows = open_file(path, {"request": domain.schemas["request"]}, "request")
    items = (row if isinstance(row, BadRow) else Question(row.place, row.record) for row in rows)
    return Questions(items, "bytes", rows.size or None, lambda: rows.done, rows.handle.close)


def of_topic(settings: Settings, domain: Domain, words: str) -> Questions:
    """The requests in `TOPIC[/PARTITION][:START-END]`, offsets of each partition, END not included.

    TOPIC is a stream of the domain or a whole name. Raises NoSuchRange and LogError.
    """
    name, _, offsets = words.partition(":")
    name, _, partition = name.partition("/")
    topic = domain.topic(name) if name in topics.STREAMS else name
    start, end = _offsets(words, offsets)
    if partition and not partition.isdecimal():
        raise _refused(words)
    all_of_it = list(range(kafka.partitions_of(settings, topic)))
    if partition and int(partition) not in all_of_it:
        raise NoSuchRange(f"{topic} has partitions 0 to {len(all_of_it) - 1}, not {partition}")
    which = [int(partition)] if partition else all_of_it
    ranges = {
        p: range(max(low, start or 0), min(high, high if end is None else end))
        for p, (low, high) in inspection.spans(settings, topic, which).items()
    }
    held = {p: offsets for p, offsets in ranges.items() if offsets}
    size, read = sum(map(len, held.values())), [0]
    items = _read(settings, domain, topic, held, read)
    return Questions(items, "records", size, lambda: read[0])


def _offsets(words: str, offsets: str) -> tuple[int | None, int | None]:
    if not offsets:
        return None, None
    start, dash, end = offsets.partition("-")
    if not dash or not (start + end).isdecimal():
        raise _refused(words)
    if start and end and int(start) > int(end):
        raise NoSuchRange(f"range {words!r} begins at {start}, above {end}; expected START-END")
    return int(start) if start else None, int(end) if end else None


def _refused(words: str) -> NoSuchRange:
    return NoSuchRange(
        f"no range {words!r}; expected TOPIC, TOPIC:START-END or TOPIC/PARTITION:START-END, such "
        "as requests:0-1000"
    )


def _read(
    settings: Settings, domain: Domain, topic: str, held: Mapping[int, range], read: list[int]
) -> Iterator[Question | BadRow]:
    """Partition after partition, so that the same range gives the same order."""
    schemas = {"request": domain.schemas["request"]}
    decoder = Decoder(schemas, registry(settings), "predict")
    for partition, offsets in held.items():
        messages = kafka.read_topic(settings, topic, [partition], {partition: offsets.start})
        within = (raw_of(m) for m in messages if m.offset() in offsets)
        while raws := list(islice(within, _READ)):
            found: dict[int, Question | BadRow] = {}
            good, dead = decoder.batch(topic, partition, raws)
            for _, record, offset in good:
                found[offset] = Question(f"{topic}/{partition}/{offset}", record)
            for letter in dead:
                found[letter["offset"]] = BadRow(
                    key_of(letter), f"{letter['reason']}: {letter['detail']}"
                )
            for each in raws:
                read[0] += 1
                yield found[each.offset]


async def score(
    settings: Settings,
    domain: Domain,
    questions: Questions,
    out: AnswerFile,
    log: bool,
    tell: Callable[[Scored], None],
) -> Scored:
    """Answers every row in its order and writes the answers; `tell` hears of progress.

    Bad rows are counted and passed over. With `log` the answers go to `predictions` as the
    endpoint's do, and are delivered at the end; Undelivered where one was lost. Raises NotReady.
    """
    service = Service(patient(settings), domain, log=None if log else NoLog())
    await started(service, settings.wait_s)
    done, rows = Scored(), iter(questions.items)
    try:
        while chunk := list(islice(rows, AT_ONCE)):
            await _score(service, chunk, out, done)
            tell(done)
    finally:
        await service.stop()
    return done


async def _score(
    service: Service, rows: Iterable[Question | BadRow], out: AnswerFile, done: Scored
) -> None:
    read = [row if isinstance(row, BadRow) else checked(service.requests, row) for row in rows]
    asked = [row for row in read if isinstance(row, Question)]
    answers = await asyncio.gather(*(service.ask(q.record, monotonic()) for q in asked))
    out.write([q.place for q in asked], answers)
    done.answers += len(answers)
    for answer in answers:
        done.degraded.update(answer.degraded)
    for row in read:
        if isinstance(row, BadRow):
            done.bad.add(row)


def run(
    settings: Settings,
    domain: Domain,
    questions: Questions,
    out: Path,
    log: bool,
    tell: Callable[[Scored], None],
) -> Scored:
    """`score` to a file, which is whole or not there at all."""
    with closing(questions), AnswerFile(out) as file:
        return asyncio.run(score(settings, domain, questions, file, log, tell))
