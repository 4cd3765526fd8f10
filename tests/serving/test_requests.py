"""Bodies become records, and a wrong one is told which field, what was found and expected."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from schemas import domains
from schemas.avro import Codec
from schemas.declare import DeclarationError, Domain
from serving.request_type import struct
from serving.requests import BadRequest, Requests

NOW = 1_700_000_000_000


@pytest.fixture
def requests() -> Requests:
    return Requests(domains.load("flights"), now=lambda: NOW)


def _body(requests: Requests, **changes: Any) -> bytes:
    return json.dumps({**requests.example(), **changes}).encode()


def _without(requests: Requests, *names: str) -> bytes:
    return json.dumps({k: v for k, v in requests.example().items() if k not in names}).encode()


def test_times_become_milliseconds_from_iso_or_number(requests: Requests) -> None:
    by_text = requests.parse(_body(requests, scheduled="2013-07-01T11:15:00.250+02:00"))
    by_number = requests.parse(_body(requests, scheduled=1_372_670_100_250))
    assert by_text == by_number
    assert by_text["scheduled"] == 1_372_670_100_250


def test_whole_number_may_be_written_as_a_float(requests: Requests) -> None:
    assert requests.parse(_body(requests, at=1_372_670_100_250.0))["at"] == 1_372_670_100_250
    with pytest.raises(BadRequest) as refused:
        requests.parse(_body(requests, at=1_372_670_100_250.0, carrier=3))
    assert refused.value.details["field"] == "carrier"


def test_id_and_at_are_filled_in(requests: Requests) -> None:
    body = _without(requests, "id", "at", "tailnum")
    first, second = requests.parse(body), requests.parse(body)
    assert first["at"] == NOW
    assert first["tailnum"] is None
    assert first["id"] != second["id"]


@pytest.mark.parametrize("name", domains.names())
def test_parsed_example_of_every_domain_is_a_record_of_its_schema(name: str) -> None:
    domain = domains.load(name)
    requests = Requests(domain)
    record = requests.example_record()
    Codec(domain.schemas["request"]).encode(record)
    assert list(record) == [field["name"] for field in domain.schemas["request"]["fields"]]


@pytest.mark.parametrize(
    ("changes", "field", "expected", "found"),
    [
        ({"carrier": 1}, "carrier", "text", "1"),
        ({"carrier": None}, "carrier", "text", "null"),
        ({"distance": "far"}, "distance", "a number", '"far"'),
        ({"distance": True}, "distance", "a number", "true"),
        ({"tailnum": ["N1"]}, "tailnum", "text or null", '["N1"]'),
        ({"scheduled": "2013-07-01"}, "scheduled", "a time", '"2013-07-01"'),
        ({"scheduled": 1.5}, "scheduled", "a time", "1.5"),
        ({"at": {}}, "at", "a time", "{}"),
        ({"dest": ""}, "dest", "text of length >= 1", '""'),
    ],
)
def test_wrong_value_names_field_expected_and_found(
    requests: Requests, changes: dict[str, Any], field: str, expected: str, found: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(_body(requests, **changes))
    assert refused.value.status == 422
    assert refused.value.document().items() >= {
        ("field", field),
        ("expected", expected),
        ("found", found),
    }


def test_missing_field_is_named(requests: Requests) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(_without(requests, "carrier"))
    assert refused.value.status == 422
    assert refused.value.details["field"] == "carrier"


def test_unknown_field_is_refused_with_the_nearest_name(requests: Requests) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(_body(requests, tailnumber="N14228"))
    assert refused.value.status == 422
    assert refused.value.details["hint"] == "did you mean 'tailnum'?"


@pytest.mark.parametrize("at", [-1, 0, 10**15, "1999-12-31T00:00:00Z", "9999-01-01T00:00:00Z"])
def test_absurd_time_is_refused(requests: Requests, at: int | str) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(_body(requests, at=at))
    assert (refused.value.status, refused.value.details["field"]) == (422, "at")


def test_time_without_zone_is_refused(requests: Requests) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(_body(requests, at="2013-07-01T11:15:00"))
    assert "zone" in str(refused.value.details["hint"])


def test_long_text_is_refused_and_not_repeated_whole(requests: Requests) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(_body(requests, dest="x" * 10_000))
    assert refused.value.details["expected"] == "text of length <= 200"
    assert len(str(refused.value.document())) < 600


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"carrier": NaN}',
        b'{"carrier": "\xff"}',
        b'{"carrier": "\\ud800"}',
        b'\xef\xbb\xbf{"carrier": "UA"}',
        b'{"carrier": "UA"} {}',
    ],
)
def test_what_is_no_json_is_400(requests: Requests, body: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(body)
    assert refused.value.status in {400, 422}
    if refused.value.status == 422:
        assert refused.value.details["field"] is not None


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"carrier":' + b"[" * 60_000, b"1e999", b"[]"])
def test_hostile_json_is_refused(requests: Requests, body: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(body)
    assert refused.value.status in {400, 422}


def test_numbers_that_are_not_finite_are_refused(requests: Requests) -> None:
    for number in (b"NaN", b"Infinity", b"1e999", b"-1e999"):
        body = _without(requests, "distance")[:-1] + b', "distance": ' + number + b"}"
        with pytest.raises(BadRequest) as refused:
            requests.parse(body)
        assert refused.value.status in {400, 422}
        assert refused.value.details["field"] == "distance"


def test_schema_describes_what_is_accepted(requests: Requests) -> None:
    schema = requests.json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {
        "carrier",
        "flight",
        "origin",
        "dest",
        "distance",
        "scheduled",
    }
    assert schema["examples"] == [requests.example()]
    assert all(field["description"] for field in schema["properties"].values())


def test_type_without_json_is_refused_when_declared() -> None:
    schema = {"type": "record", "name": "request", "fields": [{"name": "x", "type": "bytes"}]}
    with pytest.raises(DeclarationError, match="'x' has type 'bytes'"):
        struct(schema, 0)


def test_enum_takes_its_symbols_only() -> None:
    kind = {"type": "enum", "name": "kind", "symbols": ["card", "cash"]}
    domain: Domain = domains.load("flights")
    fields = [
        *domain.schemas["request"]["fields"],
        {"name": "kind", "type": kind, "example": "card"},
    ]
    changed = {**domain.schemas, "request": {**domain.schemas["request"], "fields": fields}}
    requests = Requests(dataclasses.replace(domain, schemas=changed))
    assert requests.example_record()["kind"] == "card"
    with pytest.raises(BadRequest):
        requests.parse(_body(requests, kind="cheque"))
