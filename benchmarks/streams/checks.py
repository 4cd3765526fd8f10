"""Is what a flow left behind what the log says?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from reprlib import repr as short
from typing import Any

import numpy as np

from benchmarks.proofs.histories import History
from benchmarks.proofs.parity import events_of
from benchmarks.streams.results import WrongOutput
from infra import inspection, kafka
from infra.feature_store import FeatureStore
from infra.settings import Settings
from online_models.drift.watcher import watchers
from online_models.evaluation import roc_auc
from online_models.features.vector import Vectorizer
from online_models.routes.earning import Earnings
from online_models.samples.sampling import Sampling
from schemas.avro import CORE, HEADER, Codec
from schemas.declare import Domain


def check_state(settings: Settings, domain: Domain, requests: Sequence[dict[str, Any]]) -> None:
    """Holds the features in Redis against plain Python; raises WrongOutput."""
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
            raise WrongOutput(f"{request['id']}: Redis lacks {len(waits)} events of an entity")
        wanted += history.features(request, request["at"], seen)
    first = len(domain.columns)
    found = vector[first : first + len(wanted)]
    if not np.array_equal(found, wanted, equal_nan=True):
        raise WrongOutput(f"{request['id']}: features are {found}, expected {wanted}")


def check_examples(settings: Settings, domain: Domain) -> tuple[int, float]:
    """The examples and the served learner's AUC over them; raises WrongOutput."""
    predictions = {p["id"]: p["time"] for p in inspection.read(settings, domain, "predictions")}
    wanted = {
        label["id"]
        for label in inspection.read(settings, domain, "labels")
        if label["id"] in predictions
        and label["time"] <= predictions[label["id"]] + domain.label.deadline
    }
    examples = Counter(e["id"] for e in inspection.read(settings, domain, "examples"))
    if examples.keys() != wanted:
        raise WrongOutput(f"{len(examples)} examples; expected {len(wanted)}")
    scores: dict[str, dict[str, Any]] = {}
    by_learner = Counter[str]()
    for score in inspection.read(settings, domain, "scores"):
        by_learner[score["learner"]] += 1
        if score["learner"] == domain.served:
            scores[score["id"]] = score
    if dict.fromkeys(domain.learner_names, len(wanted)) != dict(by_learner):
        raise WrongOutput(f"scores by learner {dict(by_learner)}; expected {len(wanted)} of each")
    labels = np.array([score["label"] for score in scores.values()])
    given = np.array([score["probability"] for score in scores.values()])
    return len(wanted), float(roc_auc(labels, given))


def check_samples(settings: Settings, domain: Domain) -> None:
    """Holds the samples of the log against bare reservoirs, byte by byte; raises WrongOutput."""
    examples = list(inspection.read(settings, domain, "examples"))
    held = kafka.newest_by_key(settings, domain.topic("samples"))
    codec = Codec(CORE["sample"])
    for declared in domain.samples:
        for part in Sampling(domain, declared, settings.seed).take(examples):
            name = f"{declared.name}/{part['part']}" if part["part"] else declared.name
            message = held.get(name.encode())
            if message is None or bytes(message.value())[HEADER:] != codec.encode(part):
                raise WrongOutput(f"sample {name} is not that of a bare reservoir")


def check_alarms(settings: Settings, domain: Domain) -> None:
    """Holds the alarms of the log against those of bare watchers; raises WrongOutput."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in inspection.read(settings, domain, "drift"):
        found.setdefault(record["id"], []).append(record)
    total = 0
    for watcher in watchers(domain, settings.seed):
        records = watcher.take(list(inspection.read(settings, domain, watcher.stream)))
        total += len(records)
        for id_ in {record["id"] for record in records}:
            wanted = [record for record in records if record["id"] == id_]
            if found.get(id_) != wanted:
                told = f"{short(found.get(id_))}; expected {short(wanted)}"
                raise WrongOutput(f"alarm {id_} of {watcher.key}: {told}")
    if total != (number := sum(map(len, found.values()))):
        raise WrongOutput(f"{number} records of alarms; expected {total}")


def check_route(settings: Settings, domain: Domain) -> None:
    """Holds the newest route against that of a bare loop; raises WrongOutput.

    The loop takes records by event time: it remembers so many examples alone, and a score counts
    where it knows the example.
    """
    entries = [
        (name, record)
        for stream, name in (("examples", "example"), ("scores", "score"))
        for record in inspection.read(settings, domain, stream)
    ]
    entries.sort(key=lambda entry: entry[1]["time"])
    wanted = Earnings(domain, settings.seed).take(entries)
    *_, found = None, *inspection.read(settings, domain, "routes")
    if found is None or wanted is None:
        raise WrongOutput(f"the route is {short(found)}; expected {short(wanted)}")
    for name, value in wanted.items():
        if found[name] != value:
            raise WrongOutput(f"{name} of the route: {short(found[name])}; expected {short(value)}")


CHECKS: Mapping[str, Callable[[Settings, Domain], object]] = {
    "learning": check_examples,
    "sampling": check_samples,
    "drift": check_alarms,
    "routing": check_route,
}
"""By flow; `features` needs to know what was asked."""


def counted(settings: Settings, domain: Domain, streams: Sequence[str]) -> dict[str, int]:
    """How many records some streams hold."""
    return {stream: inspection.records(settings, domain.topic(stream), 1) for stream in streams}
