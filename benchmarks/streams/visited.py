"""What every user's features must be at the end of the visits, and what they are in Redis."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import redis

from benchmarks.streams.results import WrongOutput
from benchmarks.workloads import WINDOWS
from infra.feature_store import FeatureStore
from infra.settings import Settings
from online_models.features.blobs import read_blob
from online_models.features.finalise import features_at
from online_models.features.layout import layouts_of
from schemas.declare import Domain

TILES = 12
NAMES = [f"{what}_{over}" for over in WINDOWS for what in ("count", "sum", "mean")]
_PACKED = struct.Struct(f"<{len(NAMES)}d")

Features = dict[str, list[float]]


def expected(records: Sequence[dict[str, Any]]) -> Features:
    """Every user's features at its newest record, by the definition of tiles."""
    users: dict[str, list[tuple[int, float]]] = {}
    for record in records:
        users.setdefault(record["user"], []).append((record["time"], record["amount"]))
    return {user: _of_user(seen) for user, seen in users.items()}


def _of_user(seen: list[tuple[int, float]]) -> list[float]:
    times = np.array([time for time, _ in seen], np.int64)
    amounts = np.array([amount for _, amount in seen])
    out: list[float] = []
    for over in WINDOWS:
        tiles = (times - 1) // (over // TILES)
        inside = amounts[tiles > tiles[-1] - TILES]
        out += [float(len(inside)), float(inside.sum()), float(inside.mean())]
    return out


def of_headrace(settings: Settings, domain: Domain, newest: Mapping[str, int]) -> Features:
    """Every user's features from the tiles in Redis, finalised at its newest record."""
    layout = layouts_of(domain)["user"]
    store = FeatureStore(settings, domain)
    blobs = store.read([("user", user) for user in newest])
    store.close()
    rows = np.stack([read_blob(layout, blob)[0] for blob in blobs])
    values = features_at(layout, rows, np.array(list(newest.values()), np.int64))
    return dict(zip(newest, values.tolist(), strict=True))


def of_peer(url: str, prefix: str, users: Iterable[str], form: str) -> Features:
    """Every user's features as a peer left them: `hash`, `json` or `packed` doubles."""
    with redis.Redis.from_url(url) as client:
        read = _FORMS[form]
        return {user: values for user in users if (values := read(client, prefix + user))}


def _hash(client: Any, key: str) -> list[float] | None:
    found = client.hgetall(key)
    return [float(found[name.encode()]) for name in NAMES] if found else None


def _json(client: Any, key: str) -> list[float] | None:
    found = client.get(key)
    return [json.loads(found)[name] for name in NAMES] if found else None


def _packed(client: Any, key: str) -> list[float] | None:
    found = client.get(key)
    return list(_PACKED.unpack(found)) if found else None


_FORMS: Mapping[str, Callable[[Any, str], list[float] | None]] = {
    "hash": _hash,
    "json": _json,
    "packed": _packed,
}


def check(name: str, got: Features, wanted: Features) -> None:
    """Raises WrongOutput where a feature differs by more than the rounding of sums."""
    for user, values in wanted.items():
        if user not in got or not np.allclose(got[user], values, rtol=1e-6, atol=1e-3):
            raise WrongOutput(f"{name}: {user} is {got.get(user)}; expected {values}")
