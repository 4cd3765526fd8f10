"""What the endpoint answers."""

from __future__ import annotations

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """A prediction, what it was made by, and how good its grounds were.

    `cached_s` is how many seconds ago the states were read, left out where they were read for it.
    `at` is in ms; ages are in seconds before `at`, of the newest and the oldest entity state that
    was used, null where there was none. `missing` names entities of which nothing is known (their
    declared defaults were used); `degraded` names what was not as it should be. `stop` is the
    decision of a domain that declares one, and left out elsewhere.
    """

    id: str
    probability: float
    model: str
    version: int
    arm: str
    at: int
    newest_age_s: float | None
    oldest_age_s: float | None
    missing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    cached_s: float | msgspec.UnsetType = msgspec.UNSET
    stop: bool | msgspec.UnsetType = msgspec.UNSET


encode = msgspec.json.Encoder().encode
