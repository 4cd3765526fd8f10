"""A model that is stuck costs its requests a better answer, not their answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from schemas.declare import Domain
from serving import watchdog
from serving.models import Model, load
from serving.watchdog import STOPS, Stuck, Watchdog

FOREVER = 1e9


@pytest.fixture
def turning(
    domain: Domain, snapshot: Callable[..., dict[str, Any]], turning_graph: Callable[[int], bytes]
) -> Model:
    return load(snapshot(domain, "turning", 1, turning_graph(len(domain.vector_names))), domain)


@pytest.fixture
def watching() -> Iterator[Watchdog]:
    watching = Watchdog(patience=0.05)
    watching.start()
    yield watching
    watching.stop()


def _vectors(domain: Domain, turns: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.full((2, len(domain.vector_names)), turns)


def test_a_run_that_takes_too_long_is_stopped_and_the_next_is_not(
    domain: Domain, turning: Model, watching: Watchdog
) -> None:
    began = time.monotonic()
    with pytest.raises(Stuck, match="after 50 ms"):
        watching.run(turning, _vectors(domain, FOREVER))
    assert 0.05 <= time.monotonic() - began < 5
    assert watching.run(turning, _vectors(domain, 3.0)).tolist() == [0.5, 0.5]


def test_one_that_is_stopped_again_and_again_is_left_alone_for_a_while(
    domain: Domain, turning: Model, watching: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(STOPS):
        with pytest.raises(Stuck, match="after 50 ms"):
            watching.run(turning, _vectors(domain, FOREVER))
    with pytest.raises(Stuck, match="a moment ago"):
        watching.run(turning, _vectors(domain, 3.0))
    time.sleep(watchdog.REST_S)
    assert watching.run(turning, _vectors(domain, 3.0)).tolist() == [0.5, 0.5]


def test_one_that_fails_by_itself_is_not_called_stuck(domain: Domain, watching: Watchdog) -> None:
    def broken(_: Any) -> Any:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        watching.run(Model("broken", 1, broken, "test"), _vectors(domain, 1.0))
