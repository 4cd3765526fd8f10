"""The load generator as a process of its own: `python -m benchmarks.load FOLDER`.

It reads `plan.json` and `bodies` in FOLDER and writes `record.npz` and `facts.json` there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import uvloop

from benchmarks.load.closed import ClosedLoad
from benchmarks.load.generator import Load
from benchmarks.load.plan import Plan, save_record


async def _run(folder: Path) -> None:
    plan = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)
    load = (ClosedLoad if plan.closed_s else Load)(
        plan, (folder / "bodies").read_bytes().split(b"\n")
    )
    record = await load.run()
    save_record(folder / "record.npz", record)
    (folder / "facts.json").write_bytes(msgspec.json.encode(load.facts))


if __name__ == "__main__":
    try:
        uvloop.run(_run(Path(sys.argv[1])))
    except (ConnectionError, ValueError, OSError) as error:
        sys.exit(str(error))
