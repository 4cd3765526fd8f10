"""What the benchmarks take on the command line, checked before anything is started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typer

from infra.settings import Settings
from infra.settings import load as load_settings
from schemas.nearest import hint

RATE, DAY, HOUR_MS = 1e6, 86_400, 3_600_000
"""The most that may be asked for: a second, in seconds, in milliseconds."""


def settings_of(ctx: typer.Context) -> Settings:
    """Those of the command line, or of the environment where this is the program itself."""
    return ctx.obj if isinstance(ctx.obj, Settings) else load_settings()


def named(what: str, given: Sequence[str] | None, there: Sequence[str]) -> tuple[str, ...]:
    """The names that were given, or else all that there are. Raises BadParameter for another."""
    for name in given or ():
        if name not in there:
            names = ", ".join(map(repr, there))
            raise typer.BadParameter(f"no {what} {name!r}; there are {names}{hint(name, there)}")
    return tuple(given or there)


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


def day_in(domain: str, start: str) -> str:
    """A `--start` that is a day of the domain's data set, in its time zone."""
    from schemas import dataset, domains

    zone = ZoneInfo(domains.load(domain).timezone)
    first, last = (datetime.fromtimestamp(ms / 1e3, zone) for ms in dataset.load(domain).span())
    there = f"expected a day from {first:%F} to {last:%F}, of the data of {domain}"
    try:
        begins = datetime.fromtimestamp(dataset.midnight(start, zone.key) / 1e3, zone)
    except dataset.NoSuchData as error:
        raise typer.BadParameter(f"{error}; {there}", param_hint="'--start'") from error
    if not first.date() <= begins.date() <= last.date():
        raise typer.BadParameter(f"{start}; {there}", param_hint="'--start'")
    return start


def folder(help: str) -> Any:
    """A `typer.Option` for where results go, refused before the work where it can be no folder."""
    return typer.Option(help=help, callback=_writable)


def _writable(value: Path | None) -> Path | None:
    if value is not None:
        there = next(
            each for each in (value.absolute(), *value.absolute().parents) if each.exists()
        )
        if not there.is_dir():
            raise typer.BadParameter(f"{value}: {there} is no folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise typer.BadParameter(f"{value}: nothing can be written in {there}")
    return value
