"""Whether a peer does the same work: its probabilities are the endpoint's.

Of a peer that gives features only, the probability is that of the served model on them.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from benchmarks.load.plan import SLOT
from benchmarks.own_stack import Prepared
from benchmarks.peers.feast_service import features_of
from benchmarks.peers.setup import Peer, PeerError, served_record
from online_models.features.vector import Vectorizer
from serving import models
from serving.requests import Requests

_ALIKE = 1e-6
_SAMPLE = 20


class Alike:
    """Asks peers and the endpoint at `ours` the same."""

    def __init__(self, alone: Prepared, ours: str) -> None:
        self._ours = ours
        self._requests = Requests(alone.domain)
        self._columns = Vectorizer(alone.domain).columns
        self._split = len(alone.domain.columns)
        self._entities = alone.domain.entities
        self._model = models.load(served_record(alone), alone.domain)

    def check(self, peer: Peer, url: str, asked: Sequence[bytes], wrapped: Sequence[bytes]) -> None:
        """Raises PeerError where the peer gives another probability."""
        for body, other in list(zip(asked, wrapped, strict=True))[:_SAMPLE]:
            expected = self._told(_answer(self._ours, body), body)
            found = self._told(_answer(url, other), body)
            if not abs(expected - found) <= _ALIKE:
                raise PeerError(f"{peer.name} gives {found} for {body!r}, the endpoint {expected}")

    def _told(self, answer: dict[str, Any], body: bytes) -> float:
        if "probability" in answer:
            return float(answer["probability"])
        if "outputs" in answer:
            return float(answer["outputs"][0]["data"][0])
        own = self._columns([self._requests.parse(body)])[0]
        features = features_of(answer, self._entities)
        vector = np.concatenate([own[: self._split], features, own[self._split :]])
        return float(self._model.run(vector[None])[0])


def _answer(url: str, body: bytes) -> dict[str, Any]:
    data = body.replace(SLOT, b"alike")
    sent = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(sent, timeout=10) as answer:
            told: dict[str, Any] = msgspec.json.decode(answer.read())
    except OSError as fault:
        raise PeerError(f"{url} gives no answer: {fault}") from fault
    return told
