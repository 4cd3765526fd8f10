"""Schemas of others by which a message of few bytes would decode to more than memory holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def refuse_endless(full: str, compiled: Any) -> None:
    """Raises ValueError for recursion and for items of no size, naming the path of either."""
    named: dict[str, Any] = {}
    for path, part, around in _parts(compiled, full, ()):
        if isinstance(part, str) and part in around:
            raise ValueError(f"{path} is recursive")
        if isinstance(part, Mapping) and "name" in part:
            named[part["name"]] = part
        if isinstance(part, Mapping) and part["type"] == "array" and _empty(part["items"], named):
            raise ValueError(f"items of {path} have no size")


def _parts(
    schema: Any, path: str, around: tuple[str, ...]
) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Every schema within a schema, with its path and the names of the records around it."""
    yield path, schema, around
    if isinstance(schema, list):
        for part in schema:
            yield from _parts(part, path, around)
    elif isinstance(schema, Mapping):
        for key in ("items", "values"):
            if key in schema:
                yield from _parts(schema[key], path, around)
        for field in schema.get("fields", ()):
            within = (*around, schema["name"])
            yield from _parts(field["type"], f"{path}.{field['name']}", within)


def _empty(schema: Any, named: Mapping[str, Any]) -> bool:
    """Whether a value takes no byte."""
    schema = named.get(schema, schema) if isinstance(schema, str) else schema
    if isinstance(schema, Mapping):
        if schema["type"] == "record":
            return all(_empty(field["type"], named) for field in schema["fields"])
        return schema["type"] == "null" or (schema["type"] == "fixed" and not schema["size"])
    return bool(schema == "null")
