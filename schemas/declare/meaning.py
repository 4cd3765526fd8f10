"""A short hash of a part of a declaration: another where it says something else."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import Any


def hash_of(*parts: Any) -> str:
    """Twelve hexadecimal digits; what is left at its default is as if it could not be said."""
    return blake2b(_said(parts).encode(), digest_size=6).hexdigest()


def _said(part: Any) -> str:
    if is_dataclass(part):
        given = {field.name: (getattr(part, field.name), field.default) for field in fields(part)}
        said = (f"{n}={_said(value)}" for n, (value, usual) in given.items() if value != usual)
        return f"{type(part).__name__}({','.join(said)})"
    if isinstance(part, tuple):
        return f"({','.join(map(_said, part))})"
    return repr(str(part))
