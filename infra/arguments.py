"""Numbers on the command line: one way to declare them, so that a wrong one is told alike."""

from __future__ import annotations

import math
from typing import Any

import typer


def number(help: str, min: float = -math.inf, max: float = math.inf) -> Any:
    """A `typer.Option` for a finite float from `min` to `max`, both allowed."""
    expected = "expected a finite number"
    expected += f", {min:g} or more" if math.isfinite(min) else ""
    expected += f", {max:.10g} at most" if math.isfinite(max) else ""

    def checked(value: float | None) -> float | None:
        if value is not None and not (math.isfinite(value) and min <= value <= max):
            raise typer.BadParameter(f"{value}; {expected}")
        return value

    return typer.Option(help=help, callback=checked)
