"""A part of the stack that ended and was started again by hand takes its place in the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from infra.settings import STACK_FILE, Settings
from infra.stack import ENDPOINT, FLOWS, down
from infra.stack_file import recorded, take_place
from infra.status import parts

METRICS = "http://127.0.0.1:1/metrics"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a home whose flows and endpoint have ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    ended = {"pid": child.pid, "started": 1.0, "log": "old.log", "metrics": METRICS}
    names = (*FLOWS, ENDPOINT)
    content = {
        "http": "http://127.0.0.1:2",
        "generation": "g1",
        "domain": "flights",
        "processes": [{"name": name, **ended} for name in names],
    }
    (tmp_path / STACK_FILE).write_text(json.dumps(content))
    return Settings(home=tmp_path)


def states(settings: Settings) -> dict[str, tuple[bool, int | None]]:
    return {part.name: (part.up, part.pid) for part in parts(settings) if part.name in FLOWS}


def test_a_part_that_is_started_again_is_up_and_the_others_are_not(settings: Settings) -> None:
    before = states(settings)
    assert take_place(settings, "features", METRICS)
    after = states(settings)
    assert {**before, "features": (True, os.getpid())} == after
    assert {up for name, (up, _) in after.items() if name != "features"} == {False}
    assert not take_place(settings, "features", "of a second process")
    (own,) = [each for each in recorded(settings.home) if each.name == "features"]
    assert (own.log, own.metrics) == ("", METRICS)


def test_an_endpoint_on_another_port_is_found(settings: Settings) -> None:
    assert settings.endpoint == "http://127.0.0.1:2"
    assert take_place(settings, ENDPOINT, METRICS, "http://127.0.0.1:3")
    assert settings.endpoint == "http://127.0.0.1:3"


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"generation": "g2"}, "features"), ({"domain": "payments"}, "features"), ({}, "stranger")],
    ids=str,
)
def test_nobody_takes_a_place_that_is_not_theirs(
    settings: Settings, changes: dict[str, Any], name: str
) -> None:
    before = (settings.home / STACK_FILE).read_text()
    assert not take_place(settings.model_copy(update=changes), name, METRICS)
    assert (settings.home / STACK_FILE).read_text() == before


def test_where_no_stack_is_none_is_made(settings: Settings) -> None:
    (settings.home / STACK_FILE).unlink()
    assert not take_place(settings, "features", METRICS)
    assert list(settings.home.iterdir()) == []


def test_all_that_are_started_at_once_find_their_places(settings: Settings) -> None:
    ended, place = (settings.home / STACK_FILE).read_text(), threading.Barrier(len(FLOWS))

    def start(name: str) -> None:
        place.wait()
        take_place(settings, name, METRICS)

    for _ in range(20):
        (settings.home / STACK_FILE).write_text(ended)
        threads = [threading.Thread(target=start, args=(name,)) for name in FLOWS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        entered = {each.name for each in recorded(settings.home) if each.process()}
        assert entered == set(FLOWS)


def test_down_stops_what_was_started_again(settings: Settings) -> None:
    code = (
        "import sys, time; from pathlib import Path; from infra.settings import Settings;"
        "from infra.stack_file import take_place;"
        "print(take_place(Settings(home=Path(sys.argv[1])), 'features', ''), flush=True);"
        "time.sleep(20)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(settings.home)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"True\n"
        assert down(settings) == ["features"]
        child.wait(1)
    assert not (settings.home / STACK_FILE).exists()
