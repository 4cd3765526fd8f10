"""Words on the command line of `headrace bench latency`, checked before anything is started."""

from __future__ import annotations

import typer


def url(value: str | None) -> str | None:
    """A URL of the form http://host:port/path."""
    from benchmarks.load.plan import Target

    try:
        if value is not None:
            Target.of(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return value


def at(value: str) -> str:
    """data, now, or milliseconds since the epoch."""
    if value not in ("data", "now") and not value.removeprefix("-").isdecimal():
        raise typer.BadParameter(f"{value!r}; expected data, now, or milliseconds since the epoch")
    return value


def check(value: str) -> str:
    """The name of a check, or of a function that the load generator will import."""
    from benchmarks.load.answers import CHECKS

    if value not in CHECKS and not all(value.partition(":")):
        raise typer.BadParameter(f"{value!r}; expected {', '.join(CHECKS)}, or module:function")
    return value
