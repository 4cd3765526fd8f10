"""Every metric that a process of Headrace may give, in one place, and the server for them.

Where several processes share a page, counters and histograms are summed over all that ever were. A
gauge is of those that live: their sum, that of the furthest behind, or what one of them said last.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TypeVar

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from infra.gathered import Counts, Gathered, Observations

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The environment's name for the folder of a shared page: prometheus_client's own setting."""

MILLISECONDS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 40, 50, 75, 100, 250, 1_000)
_SECONDS = tuple(bound / 1_000 for bound in MILLISECONDS)

EVENTS = Counter(
    "headrace_events",
    "Records that a flow has taken in, by flow and record name.",
    ["flow", "name"],
)
BATCHES = Counter("headrace_batches", "Batches that a flow has worked through.", ["flow"])
LAG_RECORDS = Gauge(
    "headrace_lag_records",
    "Records of a partition not read yet.",
    ["flow", "topic", "partition"],
    multiprocess_mode="livesum",
)
LAG_SECONDS = Gauge(
    "headrace_lag_event_seconds",
    "Event time of a partition's newest record less that of the last one taken.",
    ["flow", "topic", "partition"],
    multiprocess_mode="livemax",
)
EVENT_TIME = Gauge(
    "headrace_event_time_seconds",
    "Newest event time worked through, since the epoch.",
    ["flow"],
    multiprocess_mode="livemax",
)
DEAD_LETTERS = Counter(
    "headrace_dead_letters", "Records that could not be used, by reason.", ["flow", "reason"]
)
ENTITIES_WRITTEN = Counter(
    "headrace_entities_written", "Blobs written to Redis, by entity.", ["entity"]
)
WRITES_REFUSED = Counter(
    "headrace_writes_refused", "Shard writes refused because another writer was ahead.", ["shard"]
)
JOIN_PENDING = Gauge(
    "headrace_join_pending",
    "Predictions or labels that wait for the other.",
    ["waiting"],
    multiprocess_mode="livesum",
)
JOINS = Counter(
    "headrace_joins",
    "What became of joins: joined, expired, orphans, duplicates, late, hidden, corrected.",
    ["outcome"],
)
EXAMPLES = Counter("headrace_examples", "Examples that a learner has learned from.", ["learner"])
LEARNER_AUC = Gauge(
    "headrace_learner_auc",
    "ROC AUC of a learner before learning, over its window.",
    ["learner"],
    multiprocess_mode="livemostrecent",
)
LEARNER_LOG_LOSS = Gauge(
    "headrace_learner_log_loss",
    "Log loss of a learner before learning, over its window.",
    ["learner"],
    multiprocess_mode="livemostrecent",
)
REACTIONS = Counter(
    "headrace_reactions",
    "Reactions of a learner to the drift of its loss; made again, and counted, in a rebuild.",
    ["learner", "reaction"],
)
SNAPSHOTS = Counter(
    "headrace_snapshots",
    "Snapshots published or held back because they differ.",
    ["learner", "outcome"],
)
SNAPSHOT_DIFFERENCE = Gauge(
    "headrace_snapshot_difference",
    "Largest difference of probability between a snapshot and its learner.",
    ["learner"],
    multiprocess_mode="livemax",
)
SNAPSHOT_TIME = Gauge(
    "headrace_snapshot_event_time_seconds",
    "Event time of the served snapshot.",
    ["model"],
    multiprocess_mode="livemin",
)
SNAPSHOT_AGE = Gauge(
    "headrace_snapshot_age_seconds",
    "Time asked at less event time of the served snapshot.",
    ["model"],
    multiprocess_mode="livemax",
)
MODEL_VERSION = Gauge(
    "headrace_model_version",
    "Version of the model that is served.",
    ["model"],
    multiprocess_mode="livemin",
)
MODEL_SWAPS = Counter("headrace_model_swaps", "Snapshots swapped in.", ["model"])
SNAPSHOTS_REFUSED = Counter(
    "headrace_snapshots_refused", "Snapshots that the endpoint would not serve.", ["reason"]
)
SAMPLE_SEEN = Gauge(
    "headrace_sample_seen",
    "Examples that have been offered to a sample.",
    ["sample"],
    multiprocess_mode="livemostrecent",
)
SAMPLE_ROWS = Gauge(
    "headrace_sample_rows",
    "Examples that a sample keeps.",
    ["sample"],
    multiprocess_mode="livemostrecent",
)
ARM_SHARE = Gauge(
    "headrace_arm_share",
    "Probability by which an arm is chosen.",
    ["arm"],
    multiprocess_mode="livemostrecent",
)
ARM_REWARD = Gauge(
    "headrace_arm_reward",
    "Mean reward of an arm, recent ones first.",
    ["arm"],
    multiprocess_mode="livemostrecent",
)
DRIFT_OPEN = Gauge(
    "headrace_drift_open",
    "Drift alarms that are open, by watcher.",
    ["watcher"],
    multiprocess_mode="livemostrecent",
)
DRIFT_WATCHING = Gauge(
    "headrace_drift_watching",
    "1 once a watcher's reference is complete.",
    ["watcher"],
    multiprocess_mode="livemostrecent",
)
DRIFT_ALARMS = Counter(
    "headrace_drift_alarms", "Records of drift alarms, by what drifts and state.", ["what", "state"]
)
REQUESTS = Counter("headrace_requests", "Requests by HTTP status.", ["status"])
LATENCY = Histogram(
    "headrace_request_seconds",
    "Time by stage: parse, queue and total of each request; redis, features and model of each "
    "batch, or of a part that could not wait for the rest.",
    ["stage"],
    buckets=_SECONDS,
)
OF_BATCHES = frozenset({"redis", "features", "model"})
"""The stages whose time is that of a batch: requests that share one are one observation."""
DEGRADED = Counter("headrace_degraded", "Answers that were not as they should be.", ["reason"])
FEATURE_AGE = Histogram(
    "headrace_feature_age_seconds",
    "Age of the newest feature that an answer used.",
    buckets=(1, 10, 60, 600, 3_600, 14_400, 86_400, 604_800),
)
STREAM_IN_FLIGHT = Gauge(
    "headrace_stream_in_flight",
    "Streamed requests that were read and are not delivered yet.",
    multiprocess_mode="livesum",
)
PREDICTIONS_QUEUED = Gauge(
    "headrace_predictions_queued",
    "Predictions answered and not yet acknowledged by the log.",
    multiprocess_mode="livesum",
)
PREDICTIONS_LOGGED = Counter(
    "headrace_predictions_logged", "Predictions that the log has acknowledged."
)
PREDICTIONS_LOST = Counter("headrace_predictions_lost", "Predictions that could not be logged.")


G = TypeVar("G", bound=Gathered)
_GATHERED: list[Gathered] = []


@cache
def latency_of(stage: str) -> Observations:
    """Of LATENCY, gathered until `settle`."""
    return _gathered(Observations(LATENCY.labels(stage)))


@cache
def feature_ages() -> Observations:
    """Of FEATURE_AGE, gathered until `settle`."""
    return _gathered(Observations(FEATURE_AGE))


@cache
def answered() -> Counts:
    """Of REQUESTS with status 200, gathered until `settle`."""
    return _gathered(Counts(REQUESTS.labels("200")))


def _gathered(new: G) -> G:
    _GATHERED.append(new)
    return new


def settle() -> None:
    """Adds to the metrics what was gathered; to be called now and then."""
    for each in _GATHERED:
        each.settle()


def page() -> bytes:
    """The metrics of this process, or of all that share its page, for Prometheus."""
    settle()
    if SHARED not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def forget(pid: int, folder: str) -> None:
    """Takes a process that has ended out of the gauges of the page that is kept in `folder`."""
    mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


def serve_metrics(port: int = 0, host: str = "0.0.0.0") -> int:
    """Serves /metrics from a thread of its own; gives the port, a free one where 0 was asked."""
    server, _ = start_http_server(port, addr=host)
    return int(server.server_port)
