"""A key of a flow whose logic is made when its first batch tells the key."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from bytewax.operators import StatefulBatchLogic

Core = TypeVar("Core")
"""What a key holds: it learns, samples or watches, and can go on from its `state`."""


class Made(StatefulBatchLogic[Any, Any, bytes], Generic[Core]):  # type: ignore[misc]
    """The logic of a key around its core: `make` gives it from the key, and from a state if any."""

    def __init__(self, make: Callable[[str, Any], Core], resume: bytes | None) -> None:
        self._make = make
        self._state = pickle.loads(resume) if resume else None  # from our own recovery store
        self._core: Core | None = None

    def core(self, key: str) -> Core:
        """What this key holds."""
        if self._core is None:
            self._core = self._make(key, self._state)
            self._state = None
        return self._core

    def state(self, core: Any) -> Any:
        """What of a core has to survive a crash."""
        return core.state

    def snapshot(self) -> bytes:
        """The state as it is now: it goes on changing while this is being stored."""
        state = self._state if self._core is None else self.state(self._core)
        return pickle.dumps(state, pickle.HIGHEST_PROTOCOL)
