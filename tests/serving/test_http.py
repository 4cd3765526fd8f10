"""What a client of the running endpoint gets: answers, their records, and the other routes."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.proofs.reference import features_of
from infra import metrics
from online_models.features.vector import Vectorizer
from schemas import domains
from schemas.dataset import Stamped
from schemas.declare import HOUR, MINUTE
from serving.requests import Requests
from tests.serving.endpoints import JSON, Live, question

NOON = 1_372_694_400_000  # 2013-07-01T16:00:00Z
DOMAIN = domains.load("flights")
FIELDS = {
    "id",
    "probability",
    "model",
    "version",
    "arm",
    "at",
    "newest_age_s",
    "oldest_age_s",
    "missing",
    "degraded",
}


def _flight(time: int, event: str, flight: str, dest: str, **more: Any) -> Stamped:
    leg = f"{flight}-{dest}-{time}"
    record = {
        "time": time,
        "leg": leg,
        "carrier": flight[:2],
        "flight": flight,
        "tailnum": None,
        "origin": "JFK",
        "dest": dest,
        "scheduled": time - 10 * MINUTE,
        **more,
    }
    return Stamped(time, "events", event, record)


def _weather(time: int, visib: float | None) -> Stamped:
    names = [field["name"] for field in DOMAIN.schemas["weather"]["fields"]]
    record = {**dict.fromkeys(names), "time": time, "origin": "JFK", "visib": visib}
    return Stamped(time, "events", "weather", record)


HISTORY = (
    _weather(NOON - 2 * HOUR, 6.0),
    _flight(NOON - 90 * MINUTE, "departed", "XA1", "LAX", delay=12.0),
    _flight(NOON - 80 * MINUTE, "departed", "XA2", "SFO", delay=-3.0),
    _flight(NOON - 50 * MINUTE, "landed", "XA1", "LAX", delay=31.5, air_time=300.0),
    _weather(NOON - 40 * MINUTE, None),
    _flight(NOON - 30 * MINUTE, "departed", "XB7", "LAX", delay=55.25),
)
ASKED = {
    "at": NOON,
    "carrier": "XA",
    "flight": "XA1",
    "tailnum": "NEVER",
    "origin": "JFK",
    "dest": "LAX",
    "scheduled": NOON + HOUR,
}


@pytest.fixture(scope="module")
def known(live: Live) -> Live:
    """The endpoint, after some flights."""
    live.apply(*HISTORY)
    return live


def test_an_answer_has_every_field(known: Live) -> None:
    reply = known.predict(question(id="every-field", **ASKED))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    answer = reply.json
    assert answer.keys() == FIELDS
    assert (answer["id"], answer["at"]) == ("every-field", NOON)
    assert answer["newest_age_s"] == 30 * 60
    assert answer["oldest_age_s"] == 80 * 60
    assert answer["missing"] == ["aircraft"]


def test_ages_are_of_the_most_and_least_recently_touched_entity(known: Live) -> None:
    asked = question(id="ages", **{**ASKED, "flight": "XA1", "dest": "SFO", "carrier": "XB"})
    answer = known.predict(asked).json
    assert answer["newest_age_s"] == 30 * 60  # JFK and XB: XB7 left half an hour ago
    assert answer["oldest_age_s"] == 80 * 60  # SFO and JFK|SFO: XA2 left 80 minutes ago


def test_before_anything_is_learned_the_base_rate_answers_and_is_named(known: Live) -> None:
    answer = known.predict(question(id="cold", **ASKED)).json
    assert (answer["model"], answer["version"], answer["arm"]) == ("base-rate", 0, "base-rate")
    assert answer["probability"] == DOMAIN.prior
    assert answer["degraded"] == ["model:base-rate"]


def test_the_record_has_the_vector_that_plain_python_computes(known: Live) -> None:
    asked = question(id="vector", **ASKED)
    answer = known.predict(asked).json
    [record] = known.logged("vector")
    width, categories = len(DOMAIN.columns), len(DOMAIN.categories)
    events = [(each.name, each.record) for each in HISTORY]
    expected = [
        value
        for entity in DOMAIN.entities
        for value in features_of(
            entity,
            [each for each in events if entity.key_of(each[1]) == entity.key_of(asked)],
            NOON,
        )
    ]
    assert record["vector"][width:-categories] == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert sum(np.isfinite(expected)) > 15
    assert record["vector"][:width] == [1400.0, 13 * 60.0, 13.0, 0.0]  # 13:00 on a Monday
    assert {name: record[name] for name in ("probability", "model", "version", "arm")} == {
        name: answer[name] for name in ("probability", "model", "version", "arm")
    }
    assert record["time"] == NOON
    assert record["degraded"] == answer["degraded"]


def test_of_what_is_unknown_the_declared_defaults_are_used(known: Live) -> None:
    asked = {"carrier": "ZZ", "flight": "ZZ9", "origin": "ZZZ", "dest": "YYY", "tailnum": "N0"}
    answer = known.predict(question(id="nobody", **asked)).json
    assert answer["missing"] == [entity.name for entity in DOMAIN.entities]
    assert (answer["newest_age_s"], answer["oldest_age_s"]) == (None, None)
    [record] = known.logged("nobody")
    features = record["vector"][len(DOMAIN.columns) : -len(DOMAIN.categories)]
    expected = [value for entity in DOMAIN.entities for value in features_of(entity, [], NOON)]
    assert features == pytest.approx(expected, nan_ok=True)


def test_an_entity_without_a_key_is_missing(known: Live) -> None:
    answer = known.predict(question(id="no-tail", **{**ASKED, "tailnum": None})).json
    assert answer["missing"] == ["aircraft"]


def test_at_and_id_are_filled_in_and_told(known: Live) -> None:
    first, second = (known.predict(question(id=None, at=None)).json for _ in range(2))
    assert first["id"] != second["id"]
    assert second["at"] >= first["at"] > 1_600_000_000_000
    assert len(known.logged(second["id"])) == 1


def test_the_vector_is_that_of_the_vectorizer(known: Live) -> None:
    """Columns and hashed categories, beside the features above."""
    record = Requests(DOMAIN).example_record()
    nothing: list[bytes | None] = [None] * len(DOMAIN.entities)
    expected = Vectorizer(DOMAIN).vectors([record], [nothing], [record["at"]]).values[0]
    known.predict(question(id="columns", origin="ABC", dest="DEF", carrier="X", flight="X1"))
    [logged] = known.logged("columns")
    changed = {**record, "origin": "ABC", "dest": "DEF", "carrier": "X", "flight": "X1"}
    expected = Vectorizer(DOMAIN).vectors([changed], [nothing], [record["at"]]).values[0]
    assert logged["vector"] == pytest.approx(expected.tolist(), nan_ok=True)


def test_probes(live: Live) -> None:
    assert live.get("/healthz").json == {"alive": True}
    ready = live.get("/readyz")
    assert ready.status == 200
    told = ready.json
    assert told.pop("process") > 0
    assert told == {
        "ready": True,
        "reasons": [],
        "serving": "base-rate@0",
        "routing": "fixed",
        "redis": "answers",
    }


def test_models_tells_what_can_answer(live: Live) -> None:
    told = live.get("/models").json
    assert told["served"] == DOMAIN.served
    assert [(each["name"], each["version"]) for each in told["models"]] == [("base-rate", 0)]


def test_metrics_count_what_was_answered(live: Live) -> None:
    answered = 'headrace_requests_total{status="200"}'
    refused = 'headrace_requests_total{status="422"}'
    before = live.metric(answered), live.metric(refused)
    live.predict(question())
    live.predict(question(carrier=None))
    assert (live.metric(answered), live.metric(refused)) == (before[0] + 1, before[1] + 1)
    families = {f.name: f for f in text_string_to_metric_families(live.get("/metrics").text)}
    bounds = {
        float(s.labels["le"])
        for s in families["headrace_request_seconds"].samples
        if s.name.endswith("_bucket")
    }
    assert {0.04, 0.05, 0.075} <= bounds
    stages = {s.labels["stage"] for s in families["headrace_request_seconds"].samples}
    assert {"parse", "queue", "redis", "features", "model", "total"} <= stages
    assert live.metric('headrace_degraded_total{reason="model:base-rate"}') > 0
    assert metrics.REQUESTS._name in families


def test_the_age_of_the_newest_feature_is_measured_where_there_is_one(known: Live) -> None:
    name = "headrace_feature_age_seconds_"
    before = known.metric(f"{name}count"), known.metric(f"{name}sum")
    known.predict(question(id="aged", **ASKED))
    known.predict(question(id="ageless", carrier="ZZ", flight="ZZ9", origin="ZZZ", dest="YYY"))
    assert len(known.logged("ageless")) == 1
    after = known.metric(f"{name}count"), known.metric(f"{name}sum")
    assert after == (before[0] + 1, before[1] + 30 * 60)


def test_a_budget_of_its_own_is_kept_to(live: Live) -> None:
    assert live.predict(question(), x_budget_ms="2000").status == 200
    shed = live.predict(question(id="no-time"), x_budget_ms="0.000001")
    assert shed.status == 503
    assert int(shed.headers["retry-after"]) >= 1
    assert shed.json["error"]
    assert "no-time" not in live.predictions()


def test_one_connection_serves_many_requests_one_after_the_other(live: Live) -> None:
    place = urlsplit(live.url)
    client = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    for body, status in ((b'{"carrier": 1}', 422), (b"{", 400), (b"[]", 422)):
        client.request("POST", "/predict", body, JSON)
        socket = client.sock
        answer = client.getresponse()
        answer.read()
        assert (answer.status, client.sock) == (status, socket)
    client.close()
