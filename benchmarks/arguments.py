"""What the benchmarks take on the command line, checked before anything is started."""

from __future__ import annotations

import typer

from infra.settings import Settings
from infra.settings import load as load_settings

RATE, DAY, HOUR_MS = 1e6, 86_400, 3_600_000
"""The most that may be asked for: a second, in seconds, in milliseconds."""


def settings_of(ctx: typer.Context) -> Settings:
    """Those of the command line, or of the environment where this is the program itself."""
    return ctx.obj if isinstance(ctx.obj, Settings) else load_settings()


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
