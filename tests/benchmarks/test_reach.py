"""What is said of a URL that cannot be reached, each in its own words."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from benchmarks.load import generator, reach
from benchmarks.load.answers import Outcome
from benchmarks.load.offer import LoadError, offer
from benchmarks.load.plan import Plan, Record, Target

PAGE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
BODIES = [b'{"id":"{id}"}']


def plan(url: str, **more: Any) -> Plan:
    return Plan(url=url, rate=100, warmup=0, requests=10, connections=2, **more)


@contextmanager
def listening(answer: Callable[[socket.socket], object], host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a server that gives every connection to `answer`, then closes it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=run, args=(connection,), daemon=True).start()

        def run(connection: socket.socket) -> None:
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/", "connection refused"),
        ("https://127.0.0.1:9/", "connection refused"),
        ("http://nohost.invalid:80/", "host 'nohost.invalid': .*[Nn]ame"),
    ],
)
def test_the_reason_is_told(url: str, why: str) -> None:
    with pytest.raises(LoadError, match=f"no connection to {url}: {why}"):
        offer(plan(url), BODIES)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            lambda client: client.recv(1) and client.recv(9999) and client.sendall(b"HTTP"),
            "no TLS at",
        ),
        (lambda client: threading.Event().wait(2), "no TLS at port .* within 0.3 s"),
    ],
    ids=["plain", "mute"],
)
def test_https_where_there_is_no_tls_is_said_soon(
    answer: Callable[[socket.socket], object], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "PATIENCE_S", 0.3)
    monkeypatch.setattr(reach, "PATIENCE_S", 0.3)
    with listening(answer) as port, pytest.raises(ConnectionError, match=why):
        uvloop.run(asked(plan(f"https://127.0.0.1:{port}/")))


def test_a_certificate_that_is_not_trusted_is_said(tmp_path: Path) -> None:
    names = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*make, "-keyout", names[0], "-out", names[1]], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(names[1], names[0])

    def shake(client: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(client, server_side=True) as secured:
            secured.recv(1)

    with (
        listening(shake) as port,
        pytest.raises(LoadError, match="its certificate is not trusted: self"),
    ):
        offer(plan(f"https://127.0.0.1:{port}/"), BODIES)


async def asked(given: Plan) -> Record:
    return await generator.Load(given, BODIES).run()


def test_the_host_header_of_an_ipv6_address_has_brackets() -> None:
    heads = []

    def answer(client: socket.socket) -> None:
        while head := client.recv(9999):
            heads.append(head)
            client.sendall(PAGE)

    with listening(answer, "::1") as port:
        record, _ = offer(plan(f"http://[::1]:{port}/", check="status"), BODIES)
    assert (record.outcome == Outcome.OK).all()
    assert b"\r\nHost: [::1]:%d\r\n" % port in heads[0]


@pytest.mark.parametrize(
    "url", ["127.0.0.1:80/predict", "http://:80/", "http://h:99999/", "ftp://h/"]
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=f"'{url}' is no URL of the form http://host:port/path"):
        Target.of(url)
