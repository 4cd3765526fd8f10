"""What requests say: taken from a domain's data set or from a file, all made different by their id.

A body is JSON with `{id}` where the generator puts the id; which body a request takes is drawn by
Zipf's law, so that a few entities are asked for again and again, as in life.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec

from benchmarks.load.plan import SLOT
from schemas import dataset


def of_domain(domain: str, count: int = 10_000, at: str = "data", start: str | None = None,
              seed: int = 0) -> list[bytes]:  # fmt: skip
    """Requests of a domain's data set, the first `count` from the ISO date `start`.

    `at` is the time they ask about: "data" as in the data set, "now" leaves it out, and a number
    of milliseconds since the epoch is put in all of them. Raises DeclarationError where the domain
    ships no data, NoSuchData where it has no request from `start` on.
    """
    stream = dataset.load(domain).replay(start=start, seed=seed)
    requests = (stamped.record for stamped in stream if stamped.stream == "requests")
    bodies = []
    for record in itertools.islice(requests, count):
        fields = {name: value for name, value in record.items() if name not in ("id", "at")}
        if at != "now":
            fields["at"] = record["at"] if at == "data" else int(at)
        bodies.append(_slotted(fields))
    if not bodies:
        raise dataset.NoSuchData(f"the data of {domain} have no request from {start} on")
    return bodies


def of_file(path: Path) -> list[bytes]:
    """The lines of a file: JSON objects, whose `id` is replaced, or any text that has `{id}` once.

    Raises ValueError naming the line that is neither.
    """
    bodies = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        if line.count(SLOT) == 1:
            bodies.append(line)
            continue
        try:
            bodies.append(_slotted(msgspec.json.decode(line, type=dict[str, object])))
        except msgspec.DecodeError as error:
            raise ValueError(f"{path}, line {number} is no JSON object: {error}") from error
    if not bodies:
        raise ValueError(f"{path} has no request in it")
    return bodies


def _slotted(fields: dict[str, object]) -> bytes:
    body = msgspec.json.encode(
        {"id": SLOT.decode(), **{k: v for k, v in fields.items() if k != "id"}}
    )
    if body.count(SLOT) != 1:
        raise ValueError(f"{SLOT.decode()} stands in a value of {body[:80]!r}")
    return body
