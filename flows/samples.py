"""The samples as they stand in the log, for a person or a program to look at."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from infra import inspection
from infra.settings import Settings
from infra.written import ending, new_file
from online_models.samples.sampling import whole
from schemas import nearest
from schemas.declare import Domain

Record = Mapping[str, Any]


class NoSuchSample(LookupError):
    """There is no sample of that name, or none yet; names what there is."""


def read(settings: Settings, domain: Domain) -> dict[str, Record]:
    """The newest snapshot of each sample by name: a record of `sample.avsc` with all its rows."""
    return dict(whole(inspection.read(settings, domain, "samples")))


def read_one(settings: Settings, domain: Domain, name: str) -> Record:
    """The newest snapshot of one sample; raises NoSuchSample."""
    declared = [sample.name for sample in domain.samples]
    if name not in declared:
        near = nearest.hint(name, declared)
        raise NoSuchSample(f"no sample {name!r}; {domain.name} has {', '.join(declared)}{near}")
    found = read(settings, domain)
    if name not in found:
        raise NoSuchSample(
            f"{domain.topic('samples')} holds no snapshot of {name!r} yet: is there an example, "
            "and does `headrace flow sampling` run?"
        )
    return found[name]


def strata(sample: Record) -> list[tuple[str, int, int]]:
    """Stratum, examples offered and rows kept, the rarest first; one line where there are none."""
    kept = Counter(row["stratum"] for row in sample["rows"])
    offered = sample["strata"] or {"": sample["version"]}
    return sorted(((name, seen, kept[name]) for name, seen in offered.items()), key=lambda s: s[1])


def flat(domain: Domain, row: Record) -> dict[str, Any]:
    """A row of a sample as one level of columns: itself, `slice.…`, then the vector by name."""
    vector = dict(zip(domain.vector_names, row["vector"], strict=True))
    own = {name: value for name, value in row.items() if name not in {"vector", "slices"}}
    slices = {f"slice.{name}": value for name, value in row["slices"].items()}
    known = {name: None if math.isnan(value) else value for name, value in vector.items()}
    return {**own, **slices, **known}


def write(domain: Domain, sample: Record, file: Path) -> int:
    """Writes the rows as Parquet or JSON lines, by the file's ending; gives their number.

    Raises UnknownFormat and UnwritableFileError.
    """
    kind = ending(file, (".parquet", ".jsonl", ".ndjson"))
    rows = [flat(domain, row) for row in sample["rows"]]
    with new_file(file) as out:
        if kind == ".parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), out)
        else:
            out.write("".join(f"{json.dumps(row)}\n" for row in rows).encode())
    return len(rows)
