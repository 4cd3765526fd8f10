"""The table of stages says of what each time is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from benchmarks import report
from benchmarks.latency.observe import Stage


def test_the_times_of_batches_are_not_called_requests() -> None:
    stages = {name: Stage(count, 1.0, 2.0) for name, count in (("redis", 959), ("total", 1_093))}
    table = report._stages(cast(Any, SimpleNamespace(stages=stages)))
    assert list(table.columns[1].cells) == ["959 batches", "1,093 requests"]
