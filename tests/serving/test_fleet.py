"""Several processes on one port."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from infra import metrics, processes, topics
from infra.settings import Settings, child_environment, domain_of
from serving import fleet as several
from serving.fleet import FleetError

MEMBER = """
import pathlib, signal, sys, time
def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(float(sys.argv[2]))
    sys.exit(int(sys.argv[3]))
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""
"""A process that takes SIGTERM once, as the endpoint does, and needs a while to end."""


class Members:
    """Starts stand-ins for the processes of a fleet: told to end, each goes on for so long."""

    def __init__(self, folder: Path, seconds: list[float], code: int = 0) -> None:
        self._folder, self._seconds, self._code = folder, list(seconds), code
        self.environments: list[dict[str, str]] = []
        self.started: list[subprocess.Popen[bytes]] = []

    def __call__(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        self.environments.append(environment)
        begun = self._folder / f"begun-{len(self.started)}"
        how = [str(begun), str(self._seconds[len(self.started)]), str(self._code)]
        self.started.append(subprocess.Popen([sys.executable, "-I", "-S", "-c", MEMBER, *how]))
        while not begun.exists():
            time.sleep(0.01)
        return self.started[-1]


def stopped_after(
    seconds: float, members: Members, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs a fleet of three of these members until it gets SIGTERM."""
    monkeypatch.setattr(several, "_start", members)
    threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGTERM]).start()
    several.run(settings, 3)


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.mark.parametrize("turn", range(3))
def test_a_clean_stop_is_told_as_one_however_long_each_needs(
    nowhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    seconds = [(0.05, 0.2, 0.4)[(turn + number) % 3] for number in range(3)]
    members = Members(tmp_path, seconds)
    stopped_after(0.6, members, nowhere, monkeypatch)
    assert [each.returncode for each in members.started] == [0, 0, 0]


def test_the_gauges_of_one_that_died_are_forgotten(
    nowhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members, found = Members(tmp_path, [0.0] * 4), []

    def start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
        folder = Path(environment[metrics.SHARED])
        found.append([each.name for each in folder.iterdir()])
        member = members(environment)
        for kind in ("gauge_livesum", "counter"):
            (folder / f"{kind}_{member.pid}.db").touch()
        if len(found) == 1:
            member.kill()
        return member

    monkeypatch.setattr(several, "_start", start)
    threading.Timer(2.0, os.kill, [os.getpid(), signal.SIGTERM]).start()
    several.run(nowhere, 3)
    dead, first, second, _ = (each.pid for each in members.started)
    kept = {f"{kind}_{n}.db" for kind in ("gauge_livesum", "counter") for n in (first, second)}
    assert set(found[3]) == kept | {f"counter_{dead}.db"}


def test_one_that_ends_badly_is_told(
    nowhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FleetError, match=r"\[3, 3, 3\]"):
        stopped_after(0.6, Members(tmp_path, [0.0] * 3, code=3), nowhere, monkeypatch)


def test_one_that_does_not_end_is_killed(
    nowhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "PATIENCE", 0.5)
    with pytest.raises(FleetError, match=r"\[0, -9, 0\]"):
        stopped_after(0.6, Members(tmp_path, [0.0, 30.0, 0.0]), nowhere, monkeypatch)


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: bytes = answer.read()
    return found


def asked(base: str, number: int) -> float:
    body = json.dumps(
        {
            "id": f"f{number}", "carrier": "UA", "flight": "UA1545", "tailnum": "N14228",
            "origin": "EWR", "dest": "IAH", "distance": 1400, "scheduled": 1_357_200_000_000,
            "at": 1_357_196_400_000,
        }
    ).encode()  # fmt: skip
    sent = urllib.request.Request(f"{base}/predict", body, {"content-type": "application/json"})
    with urllib.request.urlopen(sent, timeout=5) as answer:
        return float(json.load(answer)["probability"])


@pytest.mark.slow
def test_processes_share_a_port_a_page_and_their_answers(
    settings: Settings, tmp_path: Path
) -> None:
    port = processes.free_port()
    given = settings.model_copy(update={"http_port": port, "budget_ms": 5_000.0})
    topics.create_topics(given, domain_of(given))
    command = [sys.executable, "-m", "headrace", "serve", "--processes", "2"]
    log = tmp_path / "fleet.log"
    fleet = processes.start(command, log, environment=child_environment(given))
    base = f"http://127.0.0.1:{port}"
    try:
        processes.wait_until(lambda: len(ready(base)) == 2, fleet, log, 90)
        found = [asked(base, number) for number in range(40)]
        assert len(set(found)) == 1
        processes.wait_until(lambda: served(base) == 40, fleet, log, 5)
        children = psutil.Process(fleet.pid).children()
        first = next(child for child in children if "--share-port" in child.cmdline())
        first.kill()
        time.sleep(3)
        processes.wait_until(lambda: len(ready(base)) == 2, fleet, log, 90)
        assert asked(base, 41) == found[0]
    finally:
        fleet.send_signal(signal.SIGTERM)
        code = finished(fleet)
    assert code == 0
    assert not psutil.pid_exists(first.pid) or not first.is_running()


def served(base: str) -> int:
    found = re.findall(rb'^headrace_requests_total\{status="200"\} (\S+)', page(base), re.M)
    return round(sum(map(float, found)))


def page(base: str) -> bytes:
    return get(f"{base}/metrics")


def ready(base: str) -> set[int]:
    """Processes that say they are ready, as new connections find them."""
    found = set()
    for _ in range(20):
        try:
            told = json.loads(get(f"{base}/readyz"))
        except OSError:
            return set()
        found.add(told["process"])
    return found


def finished(process: subprocess.Popen[bytes]) -> int:
    return process.wait(40)
