"""How things look in a terminal: helps, tables, progress bars, times, numbers."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Column, Table

_PIPED_WIDTH = 120


def _console(stderr: bool) -> Console:
    """As wide as the terminal or as COLUMNS says; where it is a pipe, wide enough for tables."""
    stream = sys.stderr if stderr else sys.stdout
    told = "COLUMNS" in os.environ or stream.isatty()
    return Console(stderr=stderr, width=None if told else _PIPED_WIDTH)


out, err = _console(False), _console(True)


def fill_helps(app: typer.Typer) -> None:
    """Has every help fill the lines of the terminal; Typer does that for first paragraphs alone.

    Examples, which begin with a line of `\\b`, stay as they are.
    """
    for group in app.registered_groups:
        if group.typer_instance is not None:
            fill_helps(group.typer_instance)
    for command in app.registered_commands:
        told = inspect.cleandoc(command.help or inspect.getdoc(command.callback) or "")
        paragraphs = told.split("\n\n")
        filled = [each if each.startswith("\b") else each.replace("\n", " ") for each in paragraphs]
        command.help = "\n\n".join(filled)


def print_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints rows under heads; None is an empty cell."""
    columns = [Column(head, overflow="fold") for head in heads]
    table = Table(*columns, title=title, title_justify="left", show_header=any(heads))
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


def progress_bar() -> Progress:
    """A bar with its numbers, what was reached (field `at`) and the time that went by."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    return Progress(*columns, TextColumn("{task.fields[at]}"), TimeElapsedColumn(), console=err)


class _SecondsColumn(ProgressColumn):
    """A bar of seconds out of the task's total; it pulses where that is over or unknown."""

    def render(self, task: Task) -> ProgressBar:
        known = task.total is not None and (task.elapsed or 0) < task.total
        return ProgressBar(
            total=task.total if known else None,
            completed=task.elapsed or 0,
            width=40,
            pulse=not known,
            animation_time=task.get_time(),
        )


@contextmanager
def waiting(what: str, seconds: float | None = None) -> Iterator[None]:
    """Shows that something goes on, for how long, and how far it is where `seconds` are known."""
    columns = [TextColumn("{task.description}"), _SecondsColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=out, transient=True) as progress:
        progress.add_task(what, total=seconds)
        yield


def complain(message: object) -> None:
    """Prints an error in red."""
    err.print(f"[red]{escape(str(message))}[/]", highlight=False, soft_wrap=True)


def utc(ms: int | None) -> str:
    """A time as text."""
    return "never" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%F %T}Z"


def shown(value: Any) -> str:
    """A value as a cell."""
    return f"{value:,.6g}" if isinstance(value, float) else escape(str(value))
