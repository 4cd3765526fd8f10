"""Wrong and hostile requests over HTTP: a 4xx that names the field, never a 5xx, never silence."""

from __future__ import annotations

import gzip
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving.request_type import MAX_TEXT
from serving.requests import MAX_BODY
from tests.serving.endpoints import JSON, Live, question

WRONG_FIELDS: list[tuple[str, Any]] = [
    ("carrier", 1),
    ("carrier", ""),
    ("carrier", ["UA"]),
    ("carrier", {"code": "UA"}),
    ("carrier", True),
    ("dest", "x" * (MAX_TEXT + 1)),
    ("distance", "far"),
    ("distance", "1400"),
    ("distance", None),
    ("distance", []),
    ("tailnum", 14228),
    ("tailnum", ""),
    ("id", 7),
    ("scheduled", "2013-07-01"),
    ("scheduled", "2013-07-01T12:00:00"),
    ("scheduled", "2013-02-30T12:00:00Z"),
    ("scheduled", "2013-07-01T25:00:00Z"),
    ("scheduled", "tomorrow"),
    ("scheduled", ""),
    ("scheduled", 1.5),
    ("scheduled", -1),
    ("scheduled", 0),
    ("scheduled", 1_372_670_100),
    ("scheduled", 10**18),
    ("scheduled", 10**30),
    ("at", "9999-12-31T23:59:59Z"),
    ("at", "0001-01-01T00:00:00Z"),
    ("at", {}),
    ("at", True),
]


@pytest.mark.parametrize(("name", "value"), WRONG_FIELDS)
def test_wrong_field_is_named(live: Live, name: str, value: Any) -> None:
    body = json.dumps({**question(), name: value}).encode()
    reply = live.predict(body)
    assert reply.status == 422, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["field"] == name
    assert reply.json["expected"]


@pytest.mark.parametrize("name", ["carrier", "flight", "origin", "dest", "distance", "scheduled"])
def test_missing_field_is_named(live: Live, name: str) -> None:
    reply = live.predict(question(**{name: None}))
    assert (reply.status, reply.json["field"]) == (422, name)
    assert "missing" in reply.json["error"]


@pytest.mark.parametrize("name", ["tailnumber", "Carrier", "__proto__", "", "\u0000", "x" * 9_000])
def test_extra_field_is_named(live: Live, name: str) -> None:
    reply = live.predict({**question(), name: 1})
    assert reply.status == 422
    assert name.startswith(reply.json["field"])
    assert len(reply.body) < 1_000


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
@pytest.mark.parametrize("name", ["distance", "scheduled", "carrier"])
def test_number_that_is_not_finite_is_named(live: Live, number: bytes, name: str) -> None:
    body = json.dumps({**question(), name: "HERE"}).encode().replace(b'"HERE"', number)
    reply = live.predict(body)
    assert reply.status in {400, 422}
    assert reply.json["field"] == name


def test_huge_but_finite_numbers_are_answered(live: Live) -> None:
    for distance in (1e308, -1e308, 5e-324, 10**300, -0.0, 2**63):
        reply = live.predict(question(distance=distance))
        assert reply.status == 200, (distance, reply.text)
        assert 0 <= reply.json["probability"] <= 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"true",
        b"7",
        b'"text"',
        b"[]",
        b"{}",
        b"{,}",
        b"{'carrier': 'UA'}",
        b"not json",
        b'{"carrier": "UA"} {}',
        b'{"carrier": "\xff\xfe"}',
        b'{"carrier": "\\ud800"}',
        b'\xef\xbb\xbf{"carrier": "UA"}',
        b"\x00" * 100,
        "{}".encode("utf-16"),
        gzip.compress(b"{}", mtime=0),
        b"[" * 60_000,
        b'{"carrier":' * 5_000,
        b'{"carrier":' + b"[" * 60_000,
        b'{"x":' * 9_000 + b"1" + b"}" * 9_000,
        b'{"distance": ' + b"9" * 60_000 + b"}",
        b'{"distance": 1e' + b"9" * 60_000 + b"}",
    ],
)
def test_what_is_no_request_is_refused_with_a_reason(live: Live, body: bytes) -> None:
    reply = live.predict(body)
    assert reply.status in {400, 422}, reply.text[:300]
    assert reply.json["error"]
    assert len(reply.body) < 1_000


def test_of_a_field_given_twice_the_last_counts_or_it_is_refused(live: Live) -> None:
    body = json.dumps(question()).encode()[:-1] + b', "carrier": 5}'
    assert (live.predict(body).status, live.predict(body).json["field"]) == (422, "carrier")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"])
def test_wrong_method_is_405_and_says_which(live: Live, method: str) -> None:
    reply = live.send(method, "/predict", b"{}", JSON)
    if method == "BREW":  # no method of HTTP at all
        assert reply.status in {400, 405}
        return
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/models", "/docs"])
def test_other_routes_are_for_reading(live: Live, path: str) -> None:
    reply = live.send("POST", path, b"{}", JSON)
    assert reply.status == 405
    assert set(reply.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert live.send("HEAD", path).status == 200


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ""]
)
def test_wrong_content_type_is_415(live: Live, media: str) -> None:
    reply = live.send("POST", "/predict", json.dumps(question()).encode(), {"content-type": media})
    assert (reply.status, reply.json["field"]) == (415, "Content-Type")


@pytest.mark.parametrize(
    "media", ["application/json", "Application/JSON", "application/json; charset=utf-8"]
)
def test_json_may_be_declared_in_several_ways(live: Live, media: str) -> None:
    headers = {"content-type": media, "x-budget-ms": "10000"}
    assert live.send("POST", "/predict", json.dumps(question()).encode(), headers).status == 200


def test_no_content_type_is_415(live: Live) -> None:
    assert live.send("POST", "/predict", json.dumps(question()).encode()).status == 415


@pytest.mark.parametrize(
    "budget", ["0", "-1", "nan", "inf", "1e9", "soon", "", "60001", "1,5", "5_0"]
)
def test_wrong_budget_is_named(live: Live, budget: str) -> None:
    reply = live.predict(question(), x_budget_ms=budget)
    assert (reply.status, reply.json["field"]) == (400, "X-Budget-Ms")


def test_body_too_large_is_413_whether_its_length_is_told_or_not(live: Live) -> None:
    large = json.dumps(question(dest="x" * MAX_BODY)).encode()
    assert live.predict(large).status == 413
    chunk = b"%x\r\n%s\r\n" % (len(large), large)
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    told = live.raw(head + b"transfer-encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"POST /predict\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: y\r\n\r\nhello",
        b"POST /predict HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: ten\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 500\r\n\r\n{",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 5_000 + b"\r\n",
        b"GET /%00%ff/..%2f..%2fetc/passwd HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /docs?\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
def test_bytes_that_are_no_http_do_no_harm(live: Live, data: bytes) -> None:
    reply = live.raw(data)
    assert not reply.startswith(b"HTTP/1.1 5"), reply[:300]
    assert live.predict(question()).status == 200


def test_unknown_path_is_404_in_json(live: Live) -> None:
    reply = live.get("/predictions")
    assert (reply.status, reply.json["found"]) == (404, "/predictions")


def test_clients_that_never_finish_hold_up_nobody(live: Live) -> None:
    place = urlsplit(live.url)
    address = (str(place.hostname), int(place.port or 0))
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    stalled = [socket.create_connection(address) for _ in range(200)]
    try:
        for each in stalled:
            each.sendall(head + b"content-length: 100\r\n\r\n{")
        began = time.monotonic()
        assert live.predict(question()).status == 200
        assert time.monotonic() - began < 5
    finally:
        for each in stalled:
            each.close()
    assert live.get("/readyz").status == 200


def test_nothing_of_all_this_was_a_fault_of_the_endpoint(live: Live) -> None:
    """Also guards against a request that fails inside without a 500 being seen."""
    for body in (b"{", b"[]", b'{"carrier":' * 5_000):
        live.predict(body)
    assert live.metric('headrace_requests_total{status="500"}') == 0
    assert "ERROR" not in live.log
