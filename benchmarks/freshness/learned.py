"""Label sent → a model that has seen it serving.

Questions are asked and answered first; then their labels are sent at a rate while the endpoint is
looked at. The n-th example of the log is known to every model whose version, the number of
examples that it learned from, is at least n.
"""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from benchmarks.freshness.delays import Delay, FreshnessError, delay, gap_p99, wait
from benchmarks.load import arrivals, bodies
from benchmarks.load.answers import GOOD, Outcome
from benchmarks.load.offer import offer
from benchmarks.load.plan import Plan
from benchmarks.traffic import SENDING
from infra import inspection
from infra.producing import send
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from schemas.dataset import Stamped
from schemas.declare import Domain

_TURNS = 8
_LOOK_EVERY = 0.02
"""Seconds between two looks at the versions: each takes a millisecond or two of the endpoint that
is measured, and a label takes a hundred times as long."""


class Asked(NamedTuple):
    """Ids of questions that the endpoint has answered, asked at event time `at`; all outcomes.

    Those after the first `measured` are only labelled so that a snapshot comes that has seen these.
    """

    ids: list[str]
    measured: int
    at: int
    outcomes: dict[str, int]


class Learned(NamedTuple):
    """The delays of all labels, and of those alone that made a snapshot due when they came.

    The rest of `all` is waiting for the domain's `publishing`. `versions` came to serve meanwhile;
    `resolution` is the p99 of the time between two looks, ms.
    """

    all: Delay
    due: Delay | None
    versions: int
    resolution: float


def ask(settings: Settings, domain: Domain, labels: int, rate: float, seed: int, at: int) -> Asked:
    """Answered questions for so many labels, and for two snapshots more.

    Labels of several partitions are joined a little out of order, and a snapshot may be due by time
    and begin another count. Raises FreshnessError as `answered`.
    """
    ids, outcomes = answered(
        settings, domain, labels + 2 * domain.publishing.examples, rate, seed, at
    )
    return Asked(ids, labels, at, outcomes)


def answered(
    settings: Settings, domain: Domain, wanted: int, rate: float, seed: int, at: int
) -> tuple[list[str], dict[str, int]]:
    """Ids of so many answered questions, and the outcomes of all that were asked.

    An endpoint that is short of time sheds some: so many more are asked, a few times over. Raises
    FreshnessError where an answer was wrong or too few were answered.
    """
    asking = bodies.of_domain(domain.name, count=1000, at=str(at))
    ids: list[str] = []
    outcomes: Counter[str] = Counter()
    for turn in range(_TURNS):
        tag = f"fresh-{time.time_ns():x}-"
        plan = Plan(
            url=f"{settings.endpoint}/predict",
            rate=rate,
            warmup=0,
            requests=wanted - len(ids),
            seed=seed + turn,
            tag=tag,
        )
        record, _ = offer(plan, asking)
        outcomes.update(Outcome(kind).name.lower() for kind in record.outcome.tolist())
        good = np.flatnonzero(np.isin(record.outcome, GOOD)).tolist()
        ids += [f"{tag}{number:09d}" for number in good]
        if outcomes["wrong"] or len(ids) == wanted:
            break
    if outcomes["wrong"] or len(ids) < wanted:
        raise FreshnessError(f"{wanted} questions had to be answered right: {dict(outcomes)}")
    return ids, dict(outcomes)


def learn(settings: Settings, domain: Domain, asked: Asked, rate: float, seed: int) -> Learned:
    """Labels the questions at `rate` per second, and sees the models come.

    Raises FreshnessError where a label made no example or never came to serve.
    """
    versions = _Versions(settings)
    base = versions.look()
    sent = _send_labels(settings, domain, asked, rate, seed, versions)
    wait(lambda: versions.look() >= base + asked.measured)
    measured = {name: sent[name] for name in asked.ids[: asked.measured]}
    order = _order(settings, domain, measured)
    wait(lambda: versions.look() >= max(order.values()))
    versions.close()
    return _delays(measured, order, versions)


class _Versions:
    """Looks at the endpoint's /models and keeps when each version of the served model was first."""

    def __init__(self, settings: Settings) -> None:
        self._client = http.client.HTTPConnection(urlsplit(settings.endpoint).netloc)
        self.first: dict[int, float] = {}
        self.looks: list[float] = []
        self._newest = 0

    def look(self) -> int:
        """The version that serves now, or did a moment ago."""
        if self.looks and time.perf_counter() - self.looks[-1] < _LOOK_EVERY:
            return self._newest
        self._client.request("GET", "/models")
        told = json.loads(self._client.getresponse().read())
        now = time.perf_counter()
        self.looks.append(now)
        served = [m["version"] for m in told["models"] if m["name"] == told["served"]]
        self._newest = int(served[0]) if served else 0
        self.first.setdefault(self._newest, now)
        return self._newest

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _send_labels(
    settings: Settings, domain: Domain, asked: Asked, rate: float, seed: int, watch: _Versions
) -> dict[str, float]:
    """When each label was sent; between two, the endpoint's versions are looked at."""
    sender = Sender(settings, domain, registry(settings), SENDING)
    count = len(asked.ids)
    values = np.random.default_rng([seed, 3]).random(count) < domain.prior
    due = arrivals.poisson(rate, count, seed) / 1e9
    sent: dict[str, float] = {}
    began = time.perf_counter()
    for number, name in enumerate(asked.ids):
        while (left := began + due[number] - time.perf_counter()) > 0:
            if left > 0.004:
                watch.look()
            time.sleep(min(0.002, left))
        at = asked.at + 1 + number
        label = {"id": name, "time": at, "value": float(values[number])}
        sent[name] = time.perf_counter()
        send(sender, domain, Stamped(at, "labels", "label", label))
    sender.flush()
    return sent


def _order(settings: Settings, domain: Domain, sent: dict[str, float]) -> dict[str, int]:
    """The place of each labelled question among all examples, from 1."""
    names = dict.fromkeys(record["id"] for record in inspection.read(settings, domain, "examples"))
    order = {name: place for place, name in enumerate(names, 1) if name in sent}
    if len(order) < len(sent):
        raise FreshnessError(f"{len(sent) - len(order)} of {len(sent)} labels made no example")
    return order


def _delays(sent: dict[str, float], order: dict[str, int], versions: _Versions) -> Learned:
    known = np.array(sorted(versions.first))
    missing = sum(place > known[-1] for place in order.values())
    if missing:
        raise FreshnessError(f"{missing} of {len(sent)} labels never came to serve: at {known[-1]}")
    places = np.array([order[name] for name in sent])
    began = np.array(list(sent.values()))
    first = np.array([versions.first[version] for version in known.tolist()])
    ended = first[np.searchsorted(known, places)]
    due = np.isin(places, known)
    return Learned(
        delay(began, ended),
        delay(began[due], ended[due]) if due.any() else None,
        int((first > began.min()).sum()),
        gap_p99(versions.looks),
    )
