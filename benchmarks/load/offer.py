"""Runs the load generator in a process of its own and reads what it measured."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks.load.plan import Facts, Plan, Record, load_record, write_bodies

MOST = 100_000_000
"""Requests of one run that memory is sure to hold, about 50 bytes each."""


class LoadError(RuntimeError):
    """The generator could not run; the message says why."""


def offer(plan: Plan, bodies: list[bytes]) -> tuple[Record, Facts]:
    """Offer the plan's load with these bodies (each with `{id}` once) and give what became of it.

    Raises LoadError for too many requests, no connection to the URL, or a generator that fails.
    """
    if plan.total > MOST:
        raise LoadError(
            f"{plan.total:,} requests; expected {MOST:,} at most: lower the rate or the seconds"
        )
    with tempfile.TemporaryDirectory(prefix="headrace-load-") as name:
        folder = Path(name)
        write_bodies(folder / "bodies", bodies)
        (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
        _generate(folder)
        facts = msgspec.json.decode((folder / "facts.json").read_bytes(), type=Facts)
        return load_record(folder / "record.npz"), facts


def _generate(folder: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.load", str(folder)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise LoadError(done.stderr.strip() or f"the generator ended with {done.returncode}")
