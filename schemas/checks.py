"""Checks of what a domain declares; each raises DeclarationError: part, found, expected, hint."""

from __future__ import annotations

import math
from collections.abc import Iterable
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


def fields_of(schema: Schema) -> list[str]:
    """The names of a record's fields."""
    return [field["name"] for field in schema["fields"]]


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and math.isfinite(value)
