from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from infra import terminal


@pytest.mark.parametrize(
    ("on_terminal", "seconds", "told"),
    [(True, None, True), (True, 0.1, True), (True, 60, True), (False, 60, False)],
)
def test_who_waits_at_a_terminal_sees_the_time_go_by(
    monkeypatch: pytest.MonkeyPatch, on_terminal: bool, seconds: float | None, told: bool
) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=on_terminal)
    monkeypatch.setattr(terminal, "out", console)
    with terminal.waiting("measuring", seconds):
        time.sleep(1.3)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert ("measuring" in shown and "0:00:01" in shown) == told
    assert bool(shown.strip()) == told
