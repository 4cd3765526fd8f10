"""States that were read a moment ago, for when Redis does not answer in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic

from infra.feature_store import EntityKey

KEPT = 50_000
"""Entities that are kept at least, twice as many at most; a state has about a kilobyte."""

OLDEST = 300.0
"""Seconds after which a state is no longer a moment old."""


class RecentStates:
    """The newest states of entities, by the order in which they were read.

    Two generations stand for an exact order, which would cost at every read: when the younger has
    `kept` entities, it becomes the older, whose entities are dropped. `None` is kept as well: that
    an entity has no state is knowledge.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._young: dict[EntityKey, tuple[bytes | None, float]] = {}
        self._old: dict[EntityKey, tuple[bytes | None, float]] = {}

    def put(self, found: Mapping[EntityKey, bytes | None]) -> None:
        """Keeps what was just read."""
        now = monotonic()
        self._young.update((key, (blob, now)) for key, blob in found.items())
        if len(self._young) >= self._kept:
            self._old, self._young = self._young, {}

    def get(self, keys: Sequence[EntityKey | None]) -> tuple[list[bytes | None], float | None, int]:
        """The states of a request's entities, the age in s of the oldest, and how many are unknown.

        The age is None where none of them is known; a key that is None is no entity.
        """
        blobs: list[bytes | None] = []
        oldest, unknown, now = None, 0, monotonic()
        for key in keys:
            known = None if key is None else self._young.get(key) or self._old.get(key)
            if known is None or now - known[1] > OLDEST:
                blobs.append(None)
                unknown += key is not None
            else:
                blobs.append(known[0])
                oldest = max(oldest or 0.0, now - known[1])
        return blobs, oldest, unknown
