"""Several endpoint processes on one port, watched by this one.

The kernel deals connections out among them (SO_REUSEPORT). Each follows the same topics, so
they agree on models and routes as soon as they have read them; what depends on the request alone,
such as the arm of a sticky policy, is the same in each. Their metrics are one page.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import tempfile
import threading
from time import monotonic

from infra import metrics, processes, signals
from infra.settings import Settings, child_environment

PATIENCE = 15.0
"""Seconds that they have to end; what goes on then is killed."""
_RESTART_AFTER = 1.0
_log = logging.getLogger(__name__)


class FleetError(RuntimeError):
    """A process of the endpoint ended badly when it was told to stop; its log says why."""


def run(settings: Settings, number: int) -> None:
    """Serves with so many processes until SIGINT or SIGTERM; one that dies is started again.

    Raises FleetError where one could not deliver all that it had answered.
    """
    port = settings.http_port or processes.free_port()
    over = threading.Event()
    with (
        tempfile.TemporaryDirectory(prefix="headrace-metrics-") as folder,
        signals.taken(lambda _: over.set()),
    ):
        environment = {**child_environment(settings, http_port=port), metrics.SHARED: folder}
        members = [_start(environment) for _ in range(number)]
        _log.info("%d processes serve port %d", number, port)
        try:
            while not over.wait(_RESTART_AFTER):
                members = [_alive(each, environment) for each in members]
        finally:
            codes = _stop(members)
    if any(codes):
        raise FleetError(f"processes of the endpoint ended with {codes}; expected 0 of each")


def _start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headrace", "serve", "--share-port", "--checked"]
    kept = processes.dying_with_parent(command, signal.SIGTERM)
    return subprocess.Popen(kept, env=environment, process_group=0)


def _alive(member: subprocess.Popen[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    if member.poll() is None:
        return member
    _log.error("process %d ended with %d: starting another", member.pid, member.returncode)
    metrics.forget(member.pid, environment[metrics.SHARED])
    return _start(environment)


def _stop(members: list[subprocess.Popen[bytes]]) -> list[int]:
    """Tells each to end once: a second signal would kill what has no handler any more."""
    for member in members:
        member.terminate()
    until = monotonic() + PATIENCE
    for member in members:
        try:
            member.wait(max(0.0, until - monotonic()))
        except subprocess.TimeoutExpired:
            member.kill()
            member.wait()
    return [member.returncode for member in members]
