"""States that were read a moment ago, for when Redis does not answer in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from infra.feature_store import EntityKey

KEPT = 50_000
"""Entities that are kept at least, twice as many at most; a state has about a kilobyte."""

OLDEST = 300.0
"""Seconds after which a state is no longer a moment old."""


@dataclass(slots=True)
class _Generation:
    """States and when each was read; two plain maps, as both are filled for a batch at once."""

    blobs: dict[EntityKey, bytes | None] = field(default_factory=dict)
    read: dict[EntityKey, float] = field(default_factory=dict)


class RecentStates:
    """The newest states of entities, by the order in which they were read.

    Two generations stand for an exact order, which would cost at every read: when the younger has
    `kept` entities, it becomes the older, whose entities are dropped. `None` is kept as well: that
    an entity has no state is knowledge.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._young, self._old = _Generation(), _Generation()

    def put(self, found: Mapping[EntityKey, bytes | None]) -> None:
        """Keeps what was just read."""
        self._young.blobs.update(found)
        self._young.read.update(dict.fromkeys(found, monotonic()))
        if len(self._young.blobs) >= self._kept:
            self._old, self._young = self._young, _Generation()

    def get(self, keys: Sequence[EntityKey | None]) -> tuple[list[bytes | None], float | None, int]:
        """The states of a request's entities, the age in s of the oldest, and how many are unknown.

        The age is None where none of them is known; a key that is None is no entity.
        """
        blobs: list[bytes | None] = []
        oldest, unknown, now = None, 0, monotonic()
        for key in keys:
            read = None if key is None else self._young.read.get(key) or self._old.read.get(key)
            if key is None or read is None or now - read > OLDEST:
                blobs.append(None)
                unknown += key is not None
            else:
                held = self._young if key in self._young.read else self._old
                blobs.append(held.blobs[key])
                oldest = max(oldest or 0.0, now - read)
        return blobs, oldest, unknown
