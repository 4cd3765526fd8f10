"""Stops a model that takes so long that its requests would have no answer in time."""

from __future__ import annotations

import logging
import math
from threading import Event, Lock, Thread
from time import monotonic
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.models import Model

SHARE_OF_LEFT = 0.5
"""Of the time that the most pressing request of a batch has left, what its models may take."""

LEAST = 1 / 8
"""Of the patience, what the models of a batch may always take: one request in a great hurry shall
not cost the others of its batch their model."""

TELLING = 1 / 4
"""Of the patience, what a run must have had for its stop to say something of the model."""

REST_S = 1.0
"""Seconds for which a model that is stopped too often is not asked again."""

TOO_OFTEN = 1 / 8
"""Of a model's runs of late, how many may be stopped. Three on end are more than that; fewer may be
the machine's doing, which had no processor for it."""

_WEIGHT = 1 / 16
"""Of the newest run in the share of those that were stopped."""
_NEXT_TO_NONE = 0.01

_AGAIN_S = 0.002
"""Seconds after which a run that goes on is told again: one that only began may not have heard."""

_log = logging.getLogger(__name__)


class Stuck(RuntimeError):
    """A model that took too long, now or a moment ago."""


class _Run(NamedTuple):
    model: Model
    until: float
    seconds: float


class Watchdog:
    """Runs models, and from a thread of its own tells one that takes too long to stop.

    None may take longer than `patience` seconds. ONNX Runtime stops before the next node of a
    graph, and in a loop before its next turn. One run at a time.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = Lock()
        self._running: _Run | None = None
        self._told: _Run | None = None
        self._stopped: dict[tuple[str, int], float] = {}
        self._resting: dict[tuple[str, int], float] = {}
        self._looks = math.inf
        self._wake = Event()
        self._over = False
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watches no more."""
        self._over = True
        self._wake.set()
        self._thread.join()

    def allowed(self, left: float) -> float:
        """Seconds for all models of a batch whose most pressing request has so many left."""
        return max(LEAST * self._patience, min(self._patience, SHARE_OF_LEFT * left))

    def stopped(self, model: Model) -> float:
        """The share of a model's runs of late that were stopped."""
        return self._stopped.get(_key(model), 0.0)

    def run(self, model: Model, vectors: NDArray[np.float64], until: float) -> NDArray[np.float64]:
        """What the model gives for vectors [n, width]; Stuck where it was stopped at `until`."""
        if self._resting and self._rests(model):
            raise Stuck("it was stopped a moment ago")
        running = _Run(model, until, until - monotonic())
        if running.seconds <= 0:
            raise Stuck("another model of the batch has taken the time")
        with self._lock:
            self._running = running
            if until < self._looks:
                self._wake.set()
        try:
            found = model.run(vectors)
        except Exception as fault:
            if self._told is running:
                raise Stuck(f"it was stopped after {running.seconds * 1e3:.0f} ms") from fault
            raise
        finally:
            with self._lock:
                self._running = None
        if self._stopped:
            self._went_well(_key(model))
        return found

    def _rests(self, model: Model) -> bool:
        now = monotonic()
        self._resting = {each: until for each, until in self._resting.items() if until > now}
        return _key(model) in self._resting

    def _went_well(self, key: tuple[str, int]) -> None:
        with self._lock:
            share = self._stopped.pop(key, 0.0) * (1 - _WEIGHT)
            if share > _NEXT_TO_NONE:
                self._stopped[key] = share

    def _watch(self) -> None:
        while not self._over:
            wait = self._look()
            self._wake.wait(wait)
            self._wake.clear()

    def _look(self) -> float:
        """Stops what has run for too long; how many seconds nothing need be looked at."""
        with self._lock:
            now, run = monotonic(), self._running
            if run is None:
                wait = self._patience
            elif now < run.until:
                wait = run.until - now
            else:
                wait = _AGAIN_S
                self._stop(run, now)
            self._looks = now + wait
        return wait

    def _stop(self, run: _Run, now: float) -> None:
        run.model.stop()
        if self._told is not run:
            self._told = run
            self._note(run, now)
            _log.error("model %s@%d takes too long: stopped", run.model.name, run.model.version)

    def _note(self, run: _Run, now: float) -> None:
        if run.seconds < TELLING * self._patience:
            return
        key = _key(run.model)
        share = self._stopped.get(key, 0.0)
        self._stopped[key] = share + _WEIGHT * (1 - share)
        if self._stopped[key] > TOO_OFTEN:
            self._resting[key] = now + REST_S


def _key(model: Model) -> tuple[str, int]:
    return model.name, model.version
