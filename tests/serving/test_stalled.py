"""Requests that never become whole are given up; those that do, however slowly, are answered."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from infra import topics
from infra.settings import Settings
from schemas.declare import Domain
from serving import protocol
from tests.serving.test_protocol import HEAD
from tests.serving.worlds import World

WHOLE_S = 1.0
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def address(
    settings: Settings, domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(protocol, "WHOLE_S", WHOLE_S)
    topics.create_topics(settings, domain)
    with World(settings, domain, []).endpoint() as url:
        place = urlsplit(url)
        yield str(place.hostname), int(place.port or 0)


def _all(client: socket.socket) -> bytes:
    """What comes until the endpoint closes the connection."""
    return b"".join(iter(lambda: client.recv(65_536), b""))


def test_what_is_half_sent_is_given_up_and_what_is_whole_is_not(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    sent = {
        "body": HEAD + b"content-length: 500\r\n\r\n{",
        "second body": HEALTH + HEAD + b"content-length: 500\r\n\r\n{",
        "chunk": CHUNKED + b"1\r\n{\r\n",
        "head": HEAD,
        "silence": b"",
        "refused before it was whole": HEAD.replace(b"/predict", b"/healthz")
        + b"content-length: 500\r\n\r\n{",
    }
    clients = {name: socket.create_connection(address, 20) for name in sent}
    began = time.monotonic()
    for name, data in sent.items():
        clients[name].sendall(data)
    with socket.create_connection(address, 20) as idle:
        idle.sendall(HEALTH)
        found = {name: _all(client) for name, client in clients.items()}
        assert WHOLE_S <= time.monotonic() - began < 10
        idle.sendall(HEALTH.replace(b"host", b"connection: close\r\nhost"))
        assert _all(idle).count(b"HTTP/1.1 200 OK") == 2
    for client in clients.values():
        client.close()
    gave_up = {name: reply.count(b"HTTP/1.1 408 ") for name, reply in found.items()}
    assert gave_up == {name: name in {"body", "second body", "chunk"} for name in sent}
    assert b'"all of it within 1 s"' in found["chunk"]
    assert all(reply.count(b"connection: close") == 1 for reply in (found["body"], found["chunk"]))
    assert found["refused before it was whole"].startswith(b"HTTP/1.1 405 ")
    assert (found["head"], found["silence"]) == (b"", b"")
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


def test_a_connection_on_which_nothing_more_is_asked_is_closed(address: tuple[str, int]) -> None:
    """Not before uvicorn would, which waits for 5 s, and at the next look, once a second."""
    asked = HEAD + b"content-length: 1\r\n\r\n{"
    with socket.create_connection(address, 20) as idle:
        for pause in (0.0, 4.0):
            time.sleep(pause)
            idle.sendall(asked)
            assert idle.recv(65_536).startswith(b"HTTP/1.1 400 ")
        began = time.monotonic()
        assert _all(idle) == b""
        assert 4.5 < time.monotonic() - began < 10
