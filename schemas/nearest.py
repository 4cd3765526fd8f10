"""The nearest right name, as the hint at the end of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def hint(name: str, among: Iterable[str], otherwise: str = "") -> str:
    """`; did you mean 'nearest'?`, or where no name is near, `; otherwise`, or nothing."""
    near = difflib.get_close_matches(name, list(among), n=1)
    said = f"did you mean {near[0]!r}?" if near else otherwise
    return f"; {said}" if said else ""
