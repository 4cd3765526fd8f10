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
from serving.watchdog import Stuck, Watchdog

FOREVER = 1e9
PATIENCE = 0.05


@pytest.fixture
def turning(
    domain: Domain, snapshot: Callable[..., dict[str, Any]], turning_graph: Callable[[int], bytes]
) -> Model:
    return load(snapshot(domain, "turning", 1, turning_graph(len(domain.vector_names))), domain)


@pytest.fixture
def watching() -> Iterator[Watchdog]:
    watching = Watchdog(PATIENCE)
    watching.start()
    yield watching
    watching.stop()


def _vectors(domain: Domain, turns: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.full((2, len(domain.vector_names)), turns)


def _run(watching: Watchdog, model: Model, vectors: Any, seconds: float = PATIENCE) -> list[float]:
    found: list[float] = watching.run(model, vectors, time.monotonic() + seconds).tolist()
    return found


def test_a_run_that_takes_too_long_is_stopped_and_the_next_is_not(
    domain: Domain, turning: Model, watching: Watchdog
) -> None:
    began = time.monotonic()
    with pytest.raises(Stuck, match=r"after \d+ ms"):
        _run(watching, turning, _vectors(domain, FOREVER))
    assert 0.05 <= time.monotonic() - began < 5
    assert _run(watching, turning, _vectors(domain, 3.0)) == [0.5, 0.5]


def test_one_that_is_stopped_again_and_again_is_left_alone_for_a_while(
    domain: Domain, turning: Model, watching: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        with pytest.raises(Stuck, match=r"after \d+ ms"):
            _run(watching, turning, _vectors(domain, FOREVER))
    with pytest.raises(Stuck, match="a moment ago"):
        _run(watching, turning, _vectors(domain, 3.0))
    time.sleep(watchdog.REST_S)
    assert _run(watching, turning, _vectors(domain, 3.0)) == [0.5, 0.5]


def test_one_that_fails_by_itself_is_not_called_stuck(domain: Domain, watching: Watchdog) -> None:
    def broken(_: Any) -> Any:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        _run(watching, Model("broken", 1, broken, "test"), _vectors(domain, 1.0))


def test_a_run_is_stopped_at_its_own_moment_however_short(domain: Domain, turning: Model) -> None:
    watching = Watchdog(patience=60.0)
    watching.start()
    time.sleep(0.05)  # it looks again in a minute
    began = time.monotonic()
    with pytest.raises(Stuck, match=r"after \d+ ms"):
        _run(watching, turning, _vectors(domain, FOREVER), 0.1)
    assert time.monotonic() - began < 5
    watching.stop()


def test_stops_after_next_to_no_time_all_end_and_say_nothing_of_the_model(
    domain: Domain, turning: Model, watching: Watchdog
) -> None:
    for number in range(60):
        with pytest.raises(Stuck, match=r"after 0 ms|taken the time"):
            _run(watching, turning, _vectors(domain, FOREVER), number * 5e-6)
    assert watching.stopped(turning) == 0.0
    assert _run(watching, turning, _vectors(domain, 3.0)) == [0.5, 0.5]


def test_one_that_is_stuck_for_a_quarter_of_what_it_is_asked_is_left_alone_soon(
    domain: Domain, turning: Model, watching: Watchdog
) -> None:
    said = []
    for number in range(16):
        try:
            _run(watching, turning, _vectors(domain, 3.0 if number % 4 else FOREVER))
        except Stuck as fault:
            said.append(str(fault))
    assert all("it was stopped after" in each for each in said[:3])
    assert set(said[3:]) == {"it was stopped a moment ago"}
    assert len(said) > 6


def test_one_that_is_stuck_once_in_forty_runs_is_not_left_alone(
    domain: Domain, turning: Model, watching: Watchdog
) -> None:
    for number in range(200):
        if number % 40 != 39:
            _run(watching, turning, _vectors(domain, 3.0), 5.0)
        else:
            with pytest.raises(Stuck, match=r"after \d+ ms"):
                _run(watching, turning, _vectors(domain, FOREVER))
    assert 0 < watching.stopped(turning) < watchdog.TOO_OFTEN


@pytest.mark.parametrize(
    ("left", "allowed"), [(10.0, 1.0), (1.0, 0.5), (0.1, 0.125), (-1.0, 0.125)]
)
def test_models_may_take_half_of_what_is_left_and_never_next_to_nothing(
    left: float, allowed: float
) -> None:
    assert Watchdog(patience=1.0).allowed(left) == allowed
