"""Checks of what a domain declares; each raises DeclarationError: part, found, expected, hint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TypeGuard

from schemas import nearest
from schemas.declare import DeclarationError, Schema


def known(where: str, what: str, name: str, among: Iterable[str]) -> None:
    """Whether a name is one of those that there are; the nearest is the hint."""
    there = list(among)
    if name not in there:
        near = nearest.hint(name, there, f"there is {', '.join(there)}")
        raise DeclarationError(f"{where}: no {what} {name!r}{near}")


def distinct(where: str, what: str, names: Iterable[str]) -> None:
    """Whether no two of them share a name."""
    there = list(names)
    if len(set(there)) < len(there):
        raise DeclarationError(f"{where}: two {what} share a name: {', '.join(there)}")


def finite(where: str, name: str, value: object) -> None:
    """Whether it is a number, and neither NaN nor infinite."""
    if not _finite(value):
        raise DeclarationError(f"{where}: {name} {value!r}; expected a finite number")


def above(where: str, name: str, value: object, unit: str = "") -> None:
    """Whether it is a finite number above 0."""
    if not (_finite(value) and value > 0):
        raise DeclarationError(f"{where}: {name} {value!r}; expected a finite number above 0{unit}")


def at_least(where: str, name: str, value: object, least: float, unit: str = "") -> None:
    """Whether it is a finite number of `least` or more."""
    if not (_finite(value) and value >= least):
        raise DeclarationError(
            f"{where}: {name} {value!r}; expected a finite number, {least:g}{unit} or more"
        )


def whole(where: str, name: str, value: object, least: int, unit: str = "") -> None:
    """Whether it is a whole number, and an int, of `least` or more."""
    if not isinstance(value, int) or value < least:
        raise DeclarationError(
            f"{where}: {name} {value!r}; expected a whole number, {least}{unit} or more"
        )


def fields_of(schema: Schema) -> list[str]:
    """The names of a record's fields."""
    return [field["name"] for field in schema["fields"]]


def typed(
    where: str, schema: Schema, name: str, types: Iterable[str], nullable: bool = True
) -> None:
    """Whether a record has a field of one of these Avro types, or null where it may be."""
    known(where, "field", name, fields_of(schema))
    [declared] = [field["type"] for field in schema["fields"] if field["name"] == name]
    found, expected = sorted(_types(declared)), sorted({*types, *(["null"] if nullable else [])})
    if not set(found) <= set(expected):
        raise DeclarationError(
            f"{where}: field {name!r} is {' or '.join(found)}; expected {' or '.join(expected)}"
        )


def _types(declared: object) -> set[str]:
    if isinstance(declared, list):
        return set[str]().union(*map(_types, declared))
    return _types(declared["type"]) if isinstance(declared, Mapping) else {str(declared)}


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and math.isfinite(value)
