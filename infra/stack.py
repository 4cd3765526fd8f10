"""The stack as processes of its own: broker, Redis, the flows and the endpoint.

A broker or a Redis that the settings name is used as it is; what they do not name is started here.
Everything that runs stands in `<home>/stack.json` (`infra.stack_file`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

import psutil

from infra import processes, stack_file, topics
from infra.processes import StartError
from infra.settings import RECOVERY, Settings, child_environment, domain_of
from infra.stack_file import Running, alive

FLOWS = ("features", "learning", "sampling", "routing", "drift")
ENDPOINT, BROKER, REDIS = "endpoint", "broker", "redis"
BACKGROUND = frozenset(FLOWS) - {"features"}
"""Flows whose results no answer waits for: they have what questions and features leave."""
PATIENCE = 15.0
"""Seconds that a process is given to end by itself: the endpoint delivers what it has logged."""

START_TIMEOUT = 60.0
"""Seconds until a flow or the endpoint must be ready; a loaded machine imports slowly."""

_LAYERS = ((ENDPOINT,), FLOWS, (REDIS, BROKER))
"""What is stopped together, in this order: users of a thing before the thing."""


class StackError(RuntimeError):
    """The stack is not in the state that was asked for; the message says what to do."""


@dataclass
class Stack:
    """Starts and stops the processes; as a context manager they do not outlive this process.

    `flows` and `endpoint` say what runs besides broker and Redis.
    """

    settings: Settings
    flows: Sequence[str] = FLOWS
    endpoint: bool = True
    die_with_parent: bool = True
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _running: list[Running] = field(default_factory=list)
    _addresses: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Broker and Redis, topics, then flows and endpoint, until all are ready.

        Raises StackError where one runs already in this home, StartError with the end of its log
        where a process does not come up; nothing is left running then.
        """
        if alive(self.settings.home):
            raise StackError(
                f"a stack runs already in {self.settings.home}: `headrace status` shows it, "
                "`headrace flow NAME` or `headrace serve` starts what has ended, `headrace down` "
                "stops it, another --home starts a second one"
            )
        try:
            self._start_stores()
            topics.create_topics(self.settings, domain_of(self.settings))
            self._start_rooms()
        except BaseException:
            self.stop()
            raise

    def stop(self, *names: str) -> None:
        """Stops these processes, or all of them, users first; what does not end is killed."""
        chosen = [each for each in self._running if not names or each.name in names]
        stop_running(chosen)
        for each in chosen:
            self._children.pop(each.name).wait()
        self._running = [each for each in self._running if each not in chosen]
        if self._running:
            self._write()
        else:
            stack_file.remove(self.settings.home)

    def check(self) -> None:
        """Raises StartError with the end of its log if one of the processes has ended."""
        for each in self._running:
            code = self._children[each.name].poll()
            if code is not None:
                raise StartError(
                    f"{each.name} ended with {code}; the end of {processes.tail(Path(each.log))}"
                )

    def _start_stores(self) -> None:
        home = self.settings.home
        if self.settings.kafka is None:
            shutil.rmtree(home / RECOVERY, ignore_errors=True)  # of a log that is gone
            port, log = processes.free_port(), self._log(BROKER)
            child = processes.start_broker(port, log, self.die_with_parent)
            self._started(BROKER, child, log)
            processes.wait_until(lambda: processes.listens(port), child, log)
            self._addresses["kafka"] = f"127.0.0.1:{port}"
        if self.settings.redis is None:
            port, log = processes.free_port(), self._log(REDIS)
            child = processes.start_redis(port, home / "redis", log, self.die_with_parent)
            self._started(REDIS, child, log)
            processes.wait_until(lambda: processes.redis_answers(port), child, log)
            self._addresses["redis"] = f"redis://127.0.0.1:{port}/0"
        self._write()

    def _start_rooms(self) -> None:
        for name in self.flows:
            self._start_room(name, ["flow", name])
        if self.endpoint:
            port = self.settings.http_port or processes.free_port()
            if processes.listens(port):
                raise StackError(f"port {port} is taken: set HEADRACE_HTTP_PORT, 0 for a free one")
            self._addresses["http"] = f"http://{self.settings.http_host}:{port}"
            self._start_room(ENDPOINT, ["serve", "--checked"], http_port=port)
        for name in (*self.flows, *([ENDPOINT] if self.endpoint else [])):
            self._wait_ready(name)

    def _start_room(self, name: str, command: Sequence[str], **changes: object) -> None:
        port = processes.free_port()
        if name in BACKGROUND:
            changes["nice"] = self.settings.nice or processes.FURTHEST
        environment = child_environment(self.settings, metrics_port=port, **changes)
        log = self._log(name)
        child = processes.start(
            [sys.executable, "-m", "headrace", *command], log, self.die_with_parent, environment
        )
        own = f"http://127.0.0.1:{port}/metrics"
        self._started(
            name, child, log, f"{self._addresses['http']}/metrics" if name == ENDPOINT else own
        )

    def _wait_ready(self, name: str) -> None:
        running = next(each for each in self._running if each.name == name)
        url = f"{self._addresses['http']}/readyz" if name == ENDPOINT else str(running.metrics)
        processes.wait_until(
            lambda: processes.http_answers(url),
            self._children[name],
            Path(running.log),
            START_TIMEOUT,
        )

    def _started(
        self, name: str, child: subprocess.Popen[bytes], log: Path, metrics: str | None = None
    ) -> None:
        self._children[name] = child
        started = psutil.Process(child.pid).create_time()
        self._running.append(Running(name, child.pid, started, str(log), metrics))
        self._write()

    def _log(self, name: str) -> Path:
        return (self.settings.home / "logs" / f"{name}.log").absolute()

    def _write(self) -> None:
        content = {
            **self._addresses,
            "generation": self.settings.generation,
            "domain": self.settings.domain,
            "processes": [asdict(each) for each in self._running],
        }
        stack_file.write(self.settings.home, content)


def up(settings: Settings) -> Mapping[str, str]:
    """Starts the stack so that it outlives this command; gives its addresses."""
    stack = Stack(settings, die_with_parent=False)
    stack.start()
    return {"kafka": settings.brokers, "redis": settings.redis_url, "http": settings.endpoint}


def down(settings: Settings) -> list[str]:
    """Stops what runs in this home; gives the names of what it stopped."""
    running = alive(settings.home)
    stop_running(running)
    stack_file.remove(settings.home)
    return [each.name for each in running]


def stop_running(running: Sequence[Running]) -> None:
    """Asks the processes to end, layer by layer, and kills those that have not after PATIENCE."""
    for layer in _LAYERS:
        found = [each.process() for each in running if each.name in layer]
        _end([process for process in found if process])


def _end(found: Sequence[psutil.Process]) -> None:
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(found, PATIENCE)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, 5.0)
