"""The proxy's faults, and the endpoint behind it."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import report
from benchmarks.commands import app
from benchmarks.compare import compare_files
from benchmarks.faults import goals
from benchmarks.faults import run as chaos
from benchmarks.faults.compare import compare
from benchmarks.faults.highest import Highest
from benchmarks.faults.proxy import Fault, Proxy
from benchmarks.load.answers import Outcome
from benchmarks.machine import facts
from benchmarks.own_stack import own_stack
from benchmarks.storing import save
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
    assert all(phase.failed == phase.wrong == 0 for phase in found.phases)


def phase(goal: goals.Goal = goals.USUAL, took: float = 5.0, **ended: int) -> chaos.Phase:
    """5,000 requests of which so many ended otherwise than in time; LATE ones after 80 ms."""
    times, outcome = np.full(5_000, took), np.full(5_000, Outcome.OK, np.int8)
    at = 0
    for name, count in ended.items():
        times[at : at + count] = 80.0
        outcome[at : at + count] = Outcome.OK if name == "LATE" else Outcome[name]
        at += count
    return chaos._phase(chaos.Step("broken", 10.0, lambda: None, goal), times, outcome, 50.0)


def test_a_phase_keeps_its_goal_or_says_what_it_missed() -> None:
    assert goals.missed(phase()) == []
    assert goals.missed(phase(LATE=5)) == []
    [told] = goals.missed(phase(LATE=25))
    assert told == "broken: 99.50% of 5,000 requests in time, goal 99.9%"
    assert goals.missed(phase(SHED=5)) == []
    assert goals.missed(phase(SHED=25)) == [told]
    assert goals.missed(phase(WRONG=1)) == ["broken: 1 wrong answers"]
    assert goals.missed(phase(ERROR=1, BROKEN=1)) == ["broken: 2 requests failed, none was to"]
    assert "no right answer" in goals.missed(phase(SHED=5_000))[0]


def test_an_overload_may_refuse_but_must_be_in_time_where_it_accepts() -> None:
    assert goals.missed(phase(goals.OVERLOAD, SHED=3_000, BROKEN=100, LATE=15)) == []
    [told] = goals.missed(phase(goals.OVERLOAD, SHED=3_000, LATE=60))
    assert told == "broken: 97.00% of 2,000 accepted requests in time, goal 99.0%"
    assert goals.missed(phase(goals.OVERLOAD, SHED=4_000, WRONG=1)) == ["broken: 1 wrong answers"]


def test_a_server_just_at_its_goal_is_seldom_called_too_slow() -> None:
    late = np.random.default_rng(3).binomial(5_000, 0.001, 400).tolist()
    called = sum(bool(goals.missed(phase(LATE=count))) for count in late)
    assert called <= 400 * 0.01 + 3 * (400 * 0.01 * 0.99) ** 0.5


def test_what_was_missed_is_printed_with_the_goals_and_a_lost_record_too() -> None:
    result = made(phase(), phase(LATE=25), lost=2)
    assert len(goals.misses(result)) == 2
    told = shown(result)
    assert "99.9%" in told
    assert "missed: broken: 99.50%" in told
    assert "missed: 2 of 10,000 answers" in told


def shown(result: chaos.Chaos) -> str:
    console = Console(file=StringIO(), width=150)
    console.print(report.chaos(result))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def made(*phases: chaos.Phase, lost: int = 0, highest: Highest | None = None) -> chaos.Chaos:
    return chaos.Chaos(
        kind=chaos.CHAOS, options=chaos.Options(), machine=facts(), phases=list(phases),
        answered=10_000, lost=lost, overload_rate=9.0, highest=highest,
    )  # fmt: skip


def test_results_are_compared_phase_by_phase(tmp_path: Path) -> None:
    overload = phase(goals.OVERLOAD, SHED=3_000, LATE=10)
    results = {
        "before": made(phase(LATE=5), phase(LATE=20), overload),
        "same": made(phase(LATE=0), phase(LATE=25), phase(goals.OVERLOAD, SHED=3_500, LATE=12)),
        "worse": made(phase(LATE=60), phase(SHED=90), phase(goals.OVERLOAD, LATE=200), lost=90),
    }
    for name, each in results.items():
        save(each, tmp_path / f"{name}.json")
    before, same, worse = (tmp_path / f"{name}.json" for name in results)
    assert not any(change.changed for change in compare_files(before, same).changes)
    changes = compare_files(before, worse).changes
    assert all(change.changed for change in changes)
    assert [change.b for change in changes] == pytest.approx([0.012, 0.018, 0.04, 0.009])
    with pytest.raises(ValueError, match="3 phases against 1"):
        compare(made(phase(), phase(), phase()), made(phase()))


def test_an_overload_without_any_right_answer_is_no_improvement() -> None:
    some, none = phase(goals.OVERLOAD, SHED=3_000, LATE=10), phase(goals.OVERLOAD, SHED=5_000)
    changed = compare(made(some), made(none)).changes[0]
    assert changed.b == 1.0
    assert changed.changed


def test_two_results_of_different_benchmarks_are_refused(tmp_path: Path) -> None:
    save(made(phase()), tmp_path / "chaos.json")
    (tmp_path / "drift.json").write_text('{"kind": "drift"}')
    ran = CliRunner().invoke(
        app, ["compare", str(tmp_path / "chaos.json"), str(tmp_path / "drift.json")],
        env={"COLUMNS": "300"},
    )  # fmt: skip
    assert ran.exit_code == 2
    assert "drift.json of drift; expected two of the same" in ran.output


def test_the_command_teaches() -> None:
    ran = CliRunner().invoke(app, ["chaos", "--help"])
    assert ran.exit_code == 0
    assert "broker" in ran.output
