"""Leaks are planted and found; the stream of flights has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.learning.asked import Asked, Tables, asked_of
from schemas.dataset import Stamped, load
from schemas.declare import DAY, HOUR, MINUTE, Domain, Entity, last
from schemas.domains import load as load_domain
from tests.benchmarks.leaks import Known, Leak, Question, foreseen, leaks

EVERY = 29
"""Of the questions, so many are left out for each that is checked."""


@pytest.fixture(scope="module")
def flights() -> Domain:
    return load_domain("flights")


@pytest.fixture(scope="module")
def stream() -> list[Stamped]:
    return list(load("flights").replay(days=2, start="2013-02-06"))


def known(stream: Sequence[Stamped]) -> list[Known]:
    """The events as the data set has them; their offset is their number."""
    events = [s for s in stream if s.stream == "events"]
    return [
        Known(event.name, event.record, event.time_ms, offset=number)
        for number, event in enumerate(events)
    ]


def questions(domain: Domain, stream: Sequence[Stamped]) -> list[Question]:
    """A sample of what the bare loop answers on a stream."""
    asked = asked_of(domain, stream)
    requests = {s.record["id"]: s.record for s in stream if s.stream == "requests"}
    return [
        Question(id_, at, requests[id_], vector)
        for id_, at, vector in zip(
            asked.ids.tolist(), asked.at.tolist(), asked.vectors.tolist(), strict=True
        )
    ][::EVERY]


def moved(stream: Sequence[Stamped], name: str, by: int) -> list[Stamped]:
    """The stream with the records of one name stamped earlier or later, in their new order."""

    def one(stamped: Stamped) -> Stamped:
        if stamped.name != name:
            return stamped
        field = "at" if name == "request" else "time"
        time = stamped.time_ms + by
        return stamped._replace(time_ms=time, record={**stamped.record, field: time})

    kinds = ("events", "labels", "requests")
    return sorted(map(one, stream), key=lambda s: (s.time_ms, kinds.index(s.stream)))


def test_the_flights_have_no_leak(flights: Domain, stream: list[Stamped]) -> None:
    asked = questions(flights, stream)
    assert len(asked) > 50
    assert np.isfinite([question.vector for question in asked]).mean() > 0.7
    assert list(leaks(flights, known(stream), asked, about="leg")) == []


def test_departures_known_too_early_are_found(flights: Domain, stream: list[Stamped]) -> None:
    asked = questions(flights, moved(stream, "departed", -HOUR))
    found = list(leaks(flights, known(stream), asked, about="leg"))
    assert len({leak.id for leak in found}) > 0.9 * len(asked)
    assert "origin.scheduled-departed.scheduled.balance.2h" in {leak.what for leak in found}


def peeking(domain: Domain) -> Domain:
    """A domain with a feature that looks up the departure of the very flight asked about."""
    leg = Entity("leg", ("flight", "scheduled"), (last("departed", "delay", within=DAY),))
    return replace(domain, entities=(*domain.entities, leg))


def test_asking_after_the_departure_is_found(flights: Domain, stream: list[Stamped]) -> None:
    domain = peeking(flights)
    late = moved(stream, "request", 90 * MINUTE)
    asked = questions(domain, late)
    column = domain.vector_names.index("leg.departed.delay.last.24h")
    gone = {question.id for question in asked if not np.isnan(question.vector[column])}
    assert len(gone) > 0.5 * len(asked)
    found = list(leaks(domain, known(stream), asked, about="leg"))
    assert {leak.id for leak in found if leak.what == "departed"} == gone


def test_a_peeking_feature_sees_nothing_an_hour_before(
    flights: Domain, stream: list[Stamped]
) -> None:
    domain = peeking(flights)
    asked = questions(domain, stream)
    column = domain.vector_names.index("leg.departed.delay.last.24h")
    assert np.isnan([question.vector[column] for question in asked]).all()
    early = questions(domain, moved(stream, "departed", -2 * HOUR))
    found = leaks(domain, known(stream), early, about="leg")
    assert "leg.departed.delay.last.24h" in {leak.what for leak in found}


def worse(stamped: Stamped) -> Stamped | None:
    """Every second event is left out, every other is an hour worse."""
    if stamped.time_ms // MINUTE % 2:
        return None
    delay = stamped.record.get("delay", 0.0) + 60.0
    return stamped._replace(record={**stamped.record, "delay": delay})


def test_no_vector_depends_on_what_comes_later(flights: Domain, stream: list[Stamped]) -> None:
    middle = (stream[0].time_ms + stream[-1].time_ms) // 2
    assert foreseen(lambda s: asked_of(flights, s), stream, middle, worse) == []


def test_tables_filled_before_the_questions_are_found(
    flights: Domain, stream: list[Stamped]
) -> None:
    def hindsight(s: Sequence[Stamped]) -> Asked:
        return asked_of(flights, sorted(s, key=lambda stamped: stamped.stream == "requests"))

    middle = (stream[0].time_ms + stream[-1].time_ms) // 2
    assert foreseen(hindsight, stream, middle, worse)


def lagging(domain: Domain, stream: Sequence[Stamped], behind: int) -> list[Question]:
    """A sample of answers by tables that lack the newest events, with positions."""
    tables, waiting, asked = Tables(domain), list[Stamped](), list[Question]()
    for number, stamped in enumerate(stream):
        if stamped.stream == "events":
            waiting.append(stamped)
            if len(waiting) > behind:
                tables.add([waiting.pop(0)])
        elif stamped.stream == "requests" and number % EVERY == 0:
            vectors = tables.vectors([stamped])
            row, positions = vectors.values[0].tolist(), vectors.positions[0]
            id_, at = stamped.record["id"], stamped.time_ms
            asked.append(Question(id_, at, stamped.record, row, positions))
    return asked


def test_positions_tell_a_stale_vector_from_a_leaking_one(
    flights: Domain, stream: list[Stamped]
) -> None:
    asked = lagging(flights, stream, behind=40)
    assert list(leaks(flights, known(stream), asked)) == []
    assert list(leaks(flights, known(stream), [replace(q, positions=None) for q in asked]))


def test_a_leak_says_what_it_is() -> None:
    leak = Leak("UA1", 5, "origin.count", 3.0, 2.0)
    assert str(leak) == "UA1 at 5: origin.count was 3.0, honestly 2.0"
