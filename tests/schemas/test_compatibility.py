"""A shipped schema may only change so that old and new readers and writers understand each other.

`released/<folder>/<name>.<n>.avsc` are the versions that records in a log may have been written
with. The newest is what is shipped; how a new one is released: docs/contracts.md.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.avro import Codec, Reader, canonical, fingerprint, frame
from schemas.declare import Schema
from tests.schemas.drawn import records_of

SCHEMAS = Path(__file__).parents[2] / "schemas"
RELEASED = Path(__file__).parent / "released"
SHIPPED = {path.relative_to(SCHEMAS): path for path in sorted(SCHEMAS.glob("*/*.avsc"))}


def released(place: Path, folder: Path = RELEASED) -> list[Schema]:
    """The released versions of a schema, oldest first."""
    found = (folder / place.parent).glob(f"{place.stem}.*.avsc")
    numbered = sorted((int(path.name.split(".")[1]), path) for path in found)
    assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1))
    return [json.loads(path.read_text()) for _, path in numbered]


def faults(shipped: Schema, versions: list[Schema]) -> list[str]:
    """What is wrong with a shipped schema, beside its released versions."""
    if not versions:
        return ["not released: copy it to tests/schemas/released, as version 1"]
    found = []
    if _encoded(shipped) != _encoded(versions[-1]):
        found.append(f"changed since version {len(versions)}: release the change as the next one")
    for number, version in enumerate(versions, 1):
        found += [f"does not read version {number}: {why}" for why in _unreadable(shipped, version)]
        found += [
            f"version {number} does not read it: {why}" for why in _unreadable(version, shipped)
        ]
    return found


def _encoded(schema: Schema) -> Any:
    """All that decides how records are written and read: not the docs."""
    return [canonical(schema), [{**field, "doc": None} for field in schema["fields"]]]


def _unreadable(reader: Schema, writer: Schema) -> list[str]:
    """Why a reader cannot read what a writer writes, by Apache Avro's own rules."""
    one, other = (avro.schema.parse(json.dumps(schema)) for schema in (reader, writer))
    result = ReaderWriterCompatibilityChecker().get_compatibility(one, other)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    return sorted(result.messages) or ["incompatible"]


@pytest.mark.parametrize("place", SHIPPED, ids=str)
def test_every_shipped_schema_is_released_and_compatible_with_all_it_ever_was(place: Path) -> None:
    assert faults(json.loads(SHIPPED[place].read_text()), released(place)) == []


def test_nothing_that_was_released_is_gone() -> None:
    """Records of it may stand in a log."""
    names = {path.parent.name + "/" + path.name.split(".")[0] for path in RELEASED.glob("*/*.avsc")}
    assert names == {f"{place.parent}/{place.stem}" for place in SHIPPED}


LABEL: Schema = json.loads((RELEASED / "core/label.1.avsc").read_text())
LETTER: Schema = json.loads((RELEASED / "core/dead_letter.1.avsc").read_text())
Change = Callable[[dict[str, Any]], object]


def changed(schema: Schema, change: Change) -> Schema:
    made = copy.deepcopy(dict(schema))
    change(made)
    return made


def _rename(schema: dict[str, Any]) -> None:
    next(f for f in schema["fields"] if f["name"] == "value")["name"] = "outcome"


def _with_required(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "source", "type": "string"})


def _with_optional(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "source", "type": ["null", "string"], "default": None})


PLANTED: dict[str, tuple[Schema, Change, str]] = {
    "a field without default removed": (LABEL, lambda s: s["fields"].pop(0), "version 1 does not"),
    "a field without default added": (LABEL, _with_required, "does not read version 1: source"),
    "a field renamed": (LABEL, _rename, "does not read version 1: outcome"),
    "a number made text": (LABEL, lambda s: s["fields"][2].update(type="string"), "double"),
    "a number made optional": (
        LABEL,
        lambda s: s["fields"][2].update(type=["null", "double"]),
        "version 1 does not read it",
    ),
    "a number made narrower": (LABEL, lambda s: s["fields"][1].update(type="int"), "long"),
    "a number made wider": (LABEL, lambda s: s["fields"][1].update(type="double"), "double"),
    "the record renamed": (LABEL, lambda s: s.update(name="truth"), "expected"),
    "a reason removed": (LETTER, lambda s: s["fields"][0]["type"]["symbols"].pop(), "bad_request"),
    "a reason added": (
        LETTER,
        lambda s: s["fields"][0]["type"]["symbols"].append("new"),
        "{'new'}",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_an_incompatible_change_is_refused_even_when_it_was_released(what: str) -> None:
    schema, change, said = PLANTED[what]
    new = changed(schema, change)
    found = faults(new, [schema, new])
    assert found
    assert said in "\n".join(found)


def test_a_compatible_change_passes_once_it_is_released() -> None:
    new = changed(LABEL, _with_optional)
    assert "changed since version 1" in faults(new, [LABEL])[0]
    assert faults(new, [LABEL, new]) == []
    assert faults(new, []) == ["not released: copy it to tests/schemas/released, as version 1"]
    told = changed(LABEL, lambda s: s["fields"][0].update(doc="Told otherwise."))
    assert faults(told, [LABEL]) == []


def test_a_change_is_held_against_every_version_not_only_the_last() -> None:
    second = changed(LABEL, _with_optional)
    third = changed(second, lambda s: s["fields"].pop())
    fourth = changed(third, _with_required)
    assert faults(third, [LABEL, second, third]) == []
    found = "\n".join(faults(fourth, [LABEL, second, third, fourth]))
    assert "does not read version 1: source" in found
    assert "does not read version 3: source" in found
    third_by_number = changed(second, lambda s: s["fields"][-1].update(type=["null", "int"]))
    assert "version 2 does not read it" in "\n".join(
        faults(third_by_number, [LABEL, second, third_by_number])
    )


@pytest.mark.parametrize("place", SHIPPED, ids=str)
@settings(derandomize=True, deadline=None, max_examples=5)
@given(data=st.data())
def test_our_reader_reads_what_every_version_wrote(place: Path, data: st.DataObject) -> None:
    ours: Schema = json.loads(SHIPPED[place].read_text())
    for version in released(place):
        record = data.draw(records_of(version))
        written = frame(fingerprint(version), Codec(version).encode(record))
        name, found = Reader({place.stem: ours}, lambda _, v=version: v).decode(written)  # type: ignore[misc]
        assert name == place.stem
        kept = {field["name"] for field in ours["fields"]} & record.keys()
        wrote = {key: record[key] for key in kept}
        assert _shared({key: found[key] for key in kept}, wrote) == wrote


def _shared(found: Any, wrote: Any) -> Any:
    """What was found, but for fields that records within it did not have when written."""
    if isinstance(wrote, dict):
        return {key: _shared(found[key], value) for key, value in wrote.items()}
    if isinstance(wrote, list):
        return [_shared(one, other) for one, other in zip(found, wrote, strict=True)]
    return found
