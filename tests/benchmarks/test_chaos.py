"""The proxy's faults, and the endpoint behind it."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.faults import run as chaos
from benchmarks.faults.proxy import Fault, Proxy
from benchmarks.own_stack import own_stack
from infra.settings import Settings


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with Proxy("127.0.0.1", server.server_address[1]) as made:
            yield made
        server.shutdown()
        thread.join()


def said(client: socket.socket, text: bytes, wait: float = 5.0) -> bytes:
    """What comes back in time."""
    client.settimeout(wait)
    client.sendall(text)
    found = b""
    try:
        while len(found) < len(text) and (data := client.recv(1_024)):
            found += data
    except TimeoutError:
        pass
    return found


def broken(client: socket.socket) -> bool:
    """Whether the other side ends the connection, in whatever way."""
    client.settimeout(5.0)
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_what_is_said_comes_back_and_after_a_hang_all_of_it(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert said(client, b"one") == b"one"
        proxy.set(Fault.HANG)
        time.sleep(0.1)
        assert said(client, b"two", wait=0.3) == b""
        proxy.set(Fault.NONE)
        client.sendall(b"!")
        client.settimeout(None)
        assert client.recv(4, socket.MSG_WAITALL) == b"two!"


def test_a_delay_is_added_and_a_trickle_comes_byte_by_byte(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        proxy.set(Fault.DELAY, 0.1)
        began = time.perf_counter()
        assert said(client, b"x") == b"x"
        assert time.perf_counter() - began >= 0.19
        proxy.set(Fault.TRICKLE)
        began = time.perf_counter()
        assert said(client, b"0123456789") == b"0123456789"
        assert time.perf_counter() - began >= 0.09


def test_a_reset_breaks_old_connections_and_new_ones_until_it_ends(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert said(client, b"x") == b"x"
        proxy.set(Fault.RESET)
        assert broken(client)
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert broken(client)
    proxy.set(Fault.NONE)
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert said(client, b"y") == b"y"


@pytest.mark.slow
def test_every_request_is_answered_and_no_record_is_lost(tmp_path: Path) -> None:
    given = chaos.Options(
        rate=100, budget_ms=50, hang_s=10, short_s=2, broker_s=20, overload_s=4, highest=300
    )
    with own_stack(Settings(home=tmp_path / "home")) as alone:
        found = chaos.run(alone, given)
    by = {phase.name: phase for phase in found.phases}
    assert found.lost == 0
    assert found.answered > 1_000
    # What was in time is for `headrace bench chaos` to tell, on a machine that does nothing else.
    assert by["Redis: hang"].degraded > 0.9 * by["Redis: hang"].count
    assert by["after the hang"].ok > 0.5 * by["after the hang"].count
    assert by["after"].ok > 0.5 * by["after"].count
    assert all(phase.failed == 0 for phase in found.phases)


def test_the_command_teaches() -> None:
    ran = CliRunner().invoke(app, ["chaos", "--help"])
    assert ran.exit_code == 0
    assert "broker" in ran.output
