"""What the embedded stack finds in its home when it starts."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from infra import processes
from infra.settings import RECOVERY, Settings
from infra.stack import Stack


@pytest.mark.parametrize("embedded", [True, False])
def test_snapshots_go_with_the_log_that_they_are_of(
    embedded: bool, broker: str, tmp_path: Path
) -> None:
    old = tmp_path / RECOVERY / "flights-g1-learning" / "part-0.sqlite3"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"a place in a log")
    settings = Settings(home=tmp_path, kafka=None if embedded else broker)
    with Stack(settings, flows=(), endpoint=False):
        assert old.exists() is not embedded


@pytest.mark.parametrize(("told", "nice"), [(0, processes.FURTHEST), (5, 5)])
def test_only_flows_that_no_answer_waits_for_give_way(
    settings: Settings, tmp_path: Path, told: int, nice: int
) -> None:
    own = settings.model_copy(update={"nice": told, "home": tmp_path})
    with Stack(own, flows=("features", "sampling"), endpoint=False):
        found = {
            " ".join(running.info["cmdline"][-2:]): running.info["nice"]
            for running in psutil.process_iter(["cmdline", "environ", "nice"])
            if (running.info["environ"] or {}).get("HEADRACE_HOME") == str(tmp_path)
            and "flow" in running.info["cmdline"]
        }
    assert found == {"flow features": told, "flow sampling": nice}
