"""Several processes on one port."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from infra import processes, topics
from infra.settings import Settings, child_environment
from schemas import domains


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
    topics.create_topics(given, domains.load("flights"))
    command = [sys.executable, "-m", "headrace", "serve", "--processes", "2"]
    log = tmp_path / "fleet.log"
    fleet = processes.start(command, log, environment=child_environment(given))
    base = f"http://127.0.0.1:{port}"
    try:
        processes.wait_until(lambda: len(ready(base)) == 2, fleet, log, 90)
        found = [asked(base, number) for number in range(40)]
        assert len(set(found)) == 1
        assert served(base) == 40
        first = psutil.Process(fleet.pid).children()[0]
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
    [line] = re.findall(rb'^headrace_requests_total\{status="200"\} (\S+)', page(base), re.M)
    return round(float(line))


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
