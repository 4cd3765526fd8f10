"""Stops a model that takes so long that its requests would have no answer in time."""

from __future__ import annotations

import logging
from threading import Event, Lock, Thread
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from serving.models import Model

REST_S = 1.0
"""Seconds for which a model that was stopped `STOPS` times on end is not asked again."""

STOPS = 3
"""Fewer may be the machine's doing, which had no processor for it."""

_log = logging.getLogger(__name__)


class Stuck(RuntimeError):
    """A model that took too long, now or a moment ago."""


class Watchdog:
    """Runs models, and from a thread of its own tells one that takes `patience` seconds to stop.

    ONNX Runtime stops before the next node of a graph, and in a loop before its next turn. One run
    at a time.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = Lock()
        self._running: tuple[Model, float] | None = None
        self._stops: dict[Model, int] = {}
        self._resting: dict[Model, float] = {}
        self._over = Event()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watches no more."""
        self._over.set()
        self._thread.join()

    def run(self, model: Model, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the model gives for vectors [n, width]; Stuck where it was stopped."""
        if self._resting and self._rests(model):
            raise Stuck("it was stopped a moment ago")
        running = model, monotonic() + self._patience
        with self._lock:
            self._running = running
        try:
            found = model.run(vectors)
        except Exception as fault:
            if self._running is not running:
                raise Stuck(f"it was stopped after {self._patience * 1e3:.0f} ms") from fault
            raise
        finally:
            with self._lock:
                self._running = None
        if self._stops:
            self._stops.pop(model, None)
        return found

    def _rests(self, model: Model) -> bool:
        now = monotonic()
        self._resting = {each: until for each, until in self._resting.items() if until > now}
        return model in self._resting

    def _watch(self) -> None:
        wait = self._patience
        while not self._over.wait(wait):
            wait = self._look()

    def _look(self) -> float:
        """Stops what has run for too long; how many seconds nothing need be looked at."""
        with self._lock:
            if self._running is None:
                return self._patience
            model, until = self._running
            left = until - monotonic()
            if left > 0:
                return left
            model.stop()
            self._running = None
            stops = self._stops.pop(model, 0) + 1
            if stops < STOPS:
                self._stops[model] = stops
            else:
                self._resting[model] = monotonic() + REST_S
        _log.error("model %s@%d takes too long: stopped", model.name, model.version)
        return self._patience
