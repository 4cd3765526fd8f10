"""However a request comes over HTTP, the answer is the same; and what it waited is known."""

from __future__ import annotations

import json
import socket
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving.protocol import Protocol
from tests.serving.endpoints import Live, question

HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
LAST = b"connection: close\r\n"


def _body(**changes: Any) -> bytes:
    return json.dumps(question(at="2013-07-01T10:00:00Z", **changes)).encode()


def _raw(live: Live, data: bytes) -> bytes:
    return live.raw(data, half_closed=False)


def _whole(body: bytes, more: bytes = b"") -> bytes:
    return HEAD + more + b"content-length: %d\r\n\r\n%s" % (len(body), body)


def _answers(reply: bytes) -> list[dict[str, Any]]:
    """The JSON bodies of a run of responses, each of which must be a 200 with a date."""
    answers = []
    while reply:
        head, _, rest = reply.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        assert first == b"HTTP/1.1 200 OK"
        assert headers[b"date"].endswith(b"GMT")
        length = int(headers[b"content-length"])
        answers.append(json.loads(rest[:length]))
        reply = rest[length:]
    return answers


def test_in_chunks_it_is_the_same_question(live: Live) -> None:
    body = _body(id="chunks")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    chunked = HEAD + LAST + b"transfer-encoding: chunked\r\n\r\n" + chunks
    [whole], [parts] = _answers(_raw(live, _whole(body, LAST))), _answers(_raw(live, chunked))
    assert parts == whole
    assert whole["id"] == "chunks"


def test_what_a_slow_client_needs_for_its_body_is_not_of_the_budget(live: Live) -> None:
    body = _body(id="far-away")
    head = HEAD + LAST + b"x-budget-ms: 1000\r\ntransfer-encoding: chunked\r\n\r\n"
    place = urlsplit(live.url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), 20) as client:
        client.sendall(head + b"%x\r\n%s\r\n" % (10, body[:10]))
        time.sleep(1.1)
        client.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 10, body[10:]))
        reply = b"".join(iter(lambda: client.recv(65_536), b""))
    assert _answers(reply)[0]["id"] == "far-away"


def test_piped_questions_are_answered_in_their_order(live: Live) -> None:
    names = [f"piped-{number}" for number in range(20)]
    asked = [_whole(_body(id=name), LAST if name == names[-1] else b"") for name in names]
    assert [answer["id"] for answer in _answers(_raw(live, b"".join(asked)))] == names


def test_a_question_may_follow_another_path_on_its_connection(live: Live) -> None:
    other = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    reply = _raw(live, other + _whole(_body(id="a")) + other + _whole(_body(id="b"), LAST))
    assert [answer.get("id") for answer in _answers(reply)] == [None, "a", None, "b"]


def test_a_client_that_waits_to_be_told_to_go_on_is_told(live: Live) -> None:
    reply = _raw(live, _whole(_body(id="patient"), LAST + b"expect: 100-continue\r\n"))
    go_on, _, rest = reply.partition(b"\r\n\r\n")
    assert go_on == b"HTTP/1.1 100 Continue"
    assert _answers(rest)[0]["id"] == "patient"


@pytest.mark.parametrize("cut", [400, 600, None])
def test_a_wish_for_another_protocol_is_passed_over(live: Live, cut: int | None) -> None:
    """As curl --http2 and Java's HttpClient have it; a server may ignore it (RFC 9110, 7.8)."""
    wish = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    body = _body(id="wish")
    chunked = b"%stransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    sent = b"".join(
        [
            _whole(_body(id="before")),
            _whole(body, wish),
            chunked % (HEAD + wish, len(body), body),
            b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + wish + b"\r\n",
            _whole(_body(id="after"), LAST),
        ]
    )
    place = urlsplit(live.url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), 20) as client:
        client.sendall(sent[:cut])
        if cut is not None:
            time.sleep(0.1)
            client.sendall(sent[cut:])
        reply = b"".join(iter(lambda: client.recv(65_536), b""))
    found = [answer.get("id") for answer in _answers(reply)]
    assert found == ["before", "wish", "wish", None, "after"]


def test_http_1_0_is_answered_and_closed(live: Live) -> None:
    old = _whole(_body(id="old")).replace(b"HTTP/1.1", b"HTTP/1.0")
    reply = _raw(live, old)
    assert b"connection: close" in reply.lower()
    assert _answers(reply)[0]["id"] == "old"


def test_a_refusal_leaves_the_connection_open(live: Live) -> None:
    reply = _raw(live, _whole(b"{}") + _whole(_body(id="after"), LAST))
    refused, _, rest = reply.partition(b"HTTP/1.1 200 OK")
    assert refused.startswith(b"HTTP/1.1 422 ")
    assert b'"after"' in rest


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the system does not tell")
def test_how_long_a_request_lay_in_its_socket_is_known() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        client.sendall(b"a question")
        time.sleep(0.2)
        protocol = Protocol.__new__(Protocol)
        protocol.transport = SimpleNamespace(get_extra_info=lambda _: accepted)  # type: ignore[assignment]
        assert 0.15 < protocol._unread() < 2.0
