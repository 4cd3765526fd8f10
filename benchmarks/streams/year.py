"""How long the year of flights takes through features, join and learning, on an empty Redis.

The log is filled first, and not timed: events and labels of the data set, and the predictions of
an endpoint that answered every question from all events up to its time
(`benchmarks.learning.asked`). Then both flows start as processes of their own and read to the end
of the log.

Checked at the end: every question with a label in time is an example once, and every learner has
scored it; the state in Redis lacks no event, and for the newest questions it gives the features
that plain Python computes from the events of the log.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.learning.asked import Tables
from benchmarks.proofs.histories import History
from benchmarks.proofs.parity import events_of
from flows.run import run as run_flow
from infra import inspection
from infra.feature_store import FeatureStore
from infra.producing import send
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from infra.stack import Stack
from online_models.evaluation import roc_auc
from online_models.features.vector import Vectorizer
from schemas import domains
from schemas.dataset import Stamped, load
from schemas.declare import Domain

DATA = "flights"
FLOWS = ("features", "learning")
_AT_ONCE = 256
_CHECKED = 200
"""Questions, the newest, whose features are held against the reference."""


class YearError(RuntimeError):
    """What came out is not what the log says."""


class Year(NamedTuple):
    """Records of the log; seconds that each flow took, and that both took side by side."""

    records: dict[str, int]
    seconds: dict[str, float]
    total: float
    examples: int
    auc: float

    def told(self) -> str:
        """For a person."""
        each = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        logged = ", ".join(f"{number:,} {name}" for name, number in self.records.items())
        return (
            f"{logged}: through features, join and learning in {self.total:.0f} s ({each}), "
            f"{self.examples:,} examples; the served learner's AUC just before it learned "
            f"{self.auc:.3f}; state, features and examples checked"
        )


def run(settings: Settings, days: float | None = None, learners: Sequence[str] = ()) -> Year:
    """Fills a log of its own and replays it, with all of the domain's learners or these alone.

    Raises YearError, also for an unknown learner, LogError, StartError.
    """
    domain, data = _with(domains.load(DATA), learners), load(DATA)
    with tempfile.TemporaryDirectory(prefix="headrace-year-") as home:
        alone = {"home": Path(home), "kafka": None, "redis": None, "registry": None}
        more: dict[str, Any] = {"domain": DATA, "metrics_port": 0, "kafka_options": {}}
        stack = Stack(settings.model_copy(update={**alone, **more}), flows=(), endpoint=False)
        with stack:
            own = stack.settings
            newest, counts = _fill(own, domain, data.replay(days))
            seconds, total = _replay(own, domain)
            _check_state(own, domain, newest)
            examples, auc = _check_examples(own, domain)
    return Year(counts, seconds, total, examples, auc)


def _with(domain: Domain, learners: Sequence[str]) -> Domain:
    if not learners:
        return domain
    specs = {spec.name: spec for spec in domain.learners}
    if unknown := set(learners) - specs.keys():
        raise YearError(f"no learner {min(unknown)!r}; there are {', '.join(specs)}")
    return replace(domain, learners=tuple(specs[name] for name in learners), served=learners[0])


def _fill(
    settings: Settings, domain: Domain, stream: Any
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Writes the log; gives the newest requests and how many records of each kind there are."""
    sender, tables = Sender(settings, domain, registry(settings)), Tables(domain)
    counts, newest = Counter[str](), list[dict[str, Any]]()
    for kind, group in groupby(stream, key=lambda stamped: stamped.stream):
        batch = list(group)
        counts[kind if kind != "requests" else "predictions"] += len(batch)
        if kind == "requests":
            newest = [*newest, *(each.record for each in batch)][-_CHECKED:]
            _predict(sender, domain, tables, batch)
            continue
        for each in batch:
            send(sender, domain, each)
        if kind == "events":
            for first in range(0, len(batch), _AT_ONCE):
                tables.add(batch[first : first + _AT_ONCE])
    sender.flush(300.0)
    return newest, dict(counts)


def _predict(sender: Sender, domain: Domain, tables: Tables, asked: Sequence[Stamped]) -> None:
    vectors = tables.vectors(asked).values.tolist()
    for each, vector in zip(asked, vectors, strict=True):
        request = each.record
        prediction = {
            "id": request["id"],
            "time": each.time_ms,
            "vector": vector,
            "probability": domain.prior,
            "model": "base-rate",
            "version": 0,
            "arm": "base-rate",
            "propensity": 1.0,
            "policy": "fixed@1",
            "degraded": [],
            "positions": [[] for _ in domain.entities],
            "slices": {name: str(request[name]) for name in domain.slices},
        }
        sender.send("predictions", "prediction", prediction, request["id"])


def _flow(name: str, settings: Settings, domain: Domain) -> None:
    run_flow(name, settings, until_end=True, domain=domain)


def _replay(settings: Settings, domain: Domain) -> tuple[dict[str, float], float]:
    """Seconds that each flow took, imports and all, and that both took."""
    spawn = multiprocessing.get_context("spawn")
    began = time.perf_counter()
    running = {name: spawn.Process(target=_flow, args=(name, settings, domain)) for name in FLOWS}
    for process in running.values():
        process.start()
    took: dict[str, float] = {}
    while running.keys() - took:
        time.sleep(0.05)
        for name, process in running.items():
            if name not in took and process.exitcode is not None:
                took[name] = time.perf_counter() - began
                if process.exitcode:
                    _end(list(running.values()))
                    raise YearError(f"flow {name} ended with {process.exitcode}")
    return took, max(took.values())


def _end(processes: Sequence[Any]) -> None:
    for process in processes:
        process.kill()
        process.join()


def _check_state(settings: Settings, domain: Domain, requests: Sequence[dict[str, Any]]) -> None:
    """Holds the features in Redis against plain Python; raises YearError."""
    events, vectorizer = events_of(settings, domain), Vectorizer(domain)
    store = FeatureStore(settings, domain)
    histories = [History(entity, events) for entity in domain.entities]
    names = [entity.name for entity in domain.entities]
    after = max(event.logged for event in events) + 1
    for request in requests:
        keys = vectorizer.keys(request)
        blobs = [
            store.read([(name, key)])[0] if key is not None else None
            for name, key in zip(names, keys, strict=True)
        ]
        made = vectorizer.vectors([request], [blobs], [request["at"]])
        _hold(domain, histories, request, made.values[0].tolist(), made.positions[0], after)
    store.close()


def _hold(
    domain: Domain,
    histories: Sequence[History],
    request: dict[str, Any],
    vector: Sequence[float],
    positions: Sequence[Sequence[int]],
    after: int,
) -> None:
    wanted: list[float] = []
    for history, seen in zip(histories, positions, strict=True):
        _, waits = history.waiting(request, request["at"], seen, after)
        if waits:
            raise YearError(f"{request['id']}: Redis lacks {len(waits)} events of an entity")
        wanted += history.features(request, request["at"], seen)
    first = len(domain.columns)
    found = vector[first : first + len(wanted)]
    if not np.array_equal(found, wanted, equal_nan=True):
        raise YearError(f"{request['id']}: features are {found}, expected {wanted}")


def _check_examples(settings: Settings, domain: Domain) -> tuple[int, float]:
    """The examples and the served learner's AUC over them; raises YearError."""
    predictions = {p["id"]: p["time"] for p in inspection.read(settings, domain, "predictions")}
    wanted = {
        label["id"]
        for label in inspection.read(settings, domain, "labels")
        if label["id"] in predictions
        and label["time"] <= predictions[label["id"]] + domain.label.deadline
    }
    examples = Counter(e["id"] for e in inspection.read(settings, domain, "examples"))
    if examples.keys() != wanted:
        raise YearError(f"{len(examples)} examples; expected {len(wanted)}")
    scores: dict[str, dict[str, Any]] = {}
    by_learner = Counter[str]()
    for score in inspection.read(settings, domain, "scores"):
        by_learner[score["learner"]] += 1
        if score["learner"] == domain.served:
            scores[score["id"]] = score
    if {each.name: len(wanted) for each in domain.learners} != dict(by_learner):
        raise YearError(f"scores by learner {dict(by_learner)}; expected {len(wanted)} of each")
    labels = np.array([score["label"] for score in scores.values()])
    given = np.array([score["probability"] for score in scores.values()])
    return len(wanted), float(roc_auc(labels, given))
