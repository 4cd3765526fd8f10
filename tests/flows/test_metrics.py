"""What is promised to be measured is on /metrics, with the right numbers."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.workloads import visits
from flows.run import run
from infra import metrics
from infra.settings import STACK_FILE
from infra.stack_file import alive
from tests.flows.logs import Log, ask

DASHBOARD = Path(__file__).parents[2] / "infra/grafana/dashboards/headrace.json"
FLOWS = {
    "headrace_events": "records taken in",
    "headrace_event_time_seconds": "event time reached",
    "headrace_lag_records": "lag in records",
    "headrace_lag_event_seconds": "lag in event time",
    "headrace_dead_letters": "dead letters",
    "headrace_joins": "ends of joins",
    "headrace_join_pending": "what the join waits for",
    "headrace_examples": "examples learned",
    "headrace_learner_auc": "AUC",
    "headrace_learner_log_loss": "log loss",
    "headrace_snapshots": "snapshots",
}
ENDPOINT = {
    "headrace_snapshot_age_seconds": "age of the served snapshot",
    "headrace_request_seconds": "latency by stage",
    "headrace_degraded": "degraded answers",
    "headrace_requests": "answers by status",
}


def scraped() -> dict[str, dict[tuple[str, ...], float]]:
    """Samples of this process as a scraper reads them, by metric and label values."""
    port = metrics.serve_metrics(host="127.0.0.1")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        family.name: {
            tuple(sample.labels.values()): sample.value
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
        for family in text_string_to_metric_families(text)
    }


def test_a_flow_tells_all_that_is_promised_of_it(log: Log) -> None:
    before = scraped()
    asked = ask(log.domain, 400)
    log.write("events", "visit", visits(300), key="user")
    log.write_bytes("events", [b"junk"] * 3, b"k")
    log.write("predictions", "prediction", asked.predictions, key="id")
    log.write("labels", "label", asked.labels, key="id")
    log.write_bytes("labels", [None], b"k")
    for flow in ("features", "learning"):
        run(flow, log.settings, until_end=True, domain=log.domain)
    found = scraped()
    assert set(FLOWS) <= {name for name, samples in found.items() if samples}

    def grown(name: str, *labels: str) -> float:
        return found[name][labels] - before.get(name, {}).get(labels, 0.0)

    examples = len(log.read("examples"))
    assert grown("headrace_events", "features", "visit") == 300
    assert grown("headrace_events", "learning", "prediction") == 400
    assert grown("headrace_events", "learning", "label") == len(asked.labels)
    assert grown("headrace_dead_letters", "features", "not_avro") == 3
    assert grown("headrace_dead_letters", "learning", "not_avro") == 1
    assert grown("headrace_joins", "joined") == examples
    assert grown("headrace_examples", "logistic") == examples
    assert 0.0 <= found["headrace_learner_auc"]["logistic",] <= 1.0
    for stream, flow in (("events", "features"), ("labels", "learning"), ("examples", "learning")):
        place = (flow, "0", log.domain.topic(stream))  # in the order of the labels' names
        assert found["headrace_lag_records"][place] == 0
        assert found["headrace_lag_event_seconds"][place] == 0


def test_a_flow_that_is_started_again_tells_the_stack_where_its_metrics_are(log: Log) -> None:
    ended = {"name": "features", "pid": 2**22, "started": 1.0, "log": "old.log"}
    log.settings.home.mkdir(parents=True, exist_ok=True)
    (log.settings.home / STACK_FILE).write_text(json.dumps({"processes": [ended]}))
    log.write("events", "visit", visits(50), key="user")
    run("features", log.settings, until_end=True, domain=log.domain)
    (running,) = alive(log.settings.home)
    assert running.pid == os.getpid()
    with urllib.request.urlopen(str(running.metrics), timeout=10) as answer:
        assert b"headrace_events_total" in answer.read()


def test_lag_is_told_in_records_and_in_event_time(log: Log) -> None:
    """A reader that is behind tells how much event time lies between it and the log's end."""
    log.write("events", "visit", visits(3_000), key="user")
    reading = log.reading("lagging")
    tail = reading.tail("events", 0, None)
    decoder = reading.decoder({"visit": log.domain.schemas["visit"]})
    taken: list[Any] = []
    place = ("lagging", tail.topic, "0")
    deadline = time.monotonic() + 20
    while _gauge("headrace_lag_event_seconds", place) is None and time.monotonic() < deadline:
        taken += tail.take(0 if len(taken) >= 100 else 100)
        reading.gauge(tail, taken[-1:])
        time.sleep(0.02)
    rest = list(taken)
    while not tail.at_end and time.monotonic() < deadline:
        rest += tail.take(1_000)
    records = [record for _, record, _ in decoder.batch("events", 0, rest).good]
    behind = (records[-1]["time"] - records[len(taken) - 1]["time"]) / 1_000
    assert behind > 0
    assert _gauge("headrace_lag_event_seconds", place) == pytest.approx(behind)
    assert _gauge("headrace_lag_records", place) == len(rest) - len(taken)
    reading.gauge(tail, rest[-1:])
    assert _gauge("headrace_lag_event_seconds", place) == 0
    assert _gauge("headrace_lag_records", place) == 0
    tail.close()


def _gauge(name: str, place: tuple[str, ...]) -> float | None:
    labels = dict(zip(("flow", "topic", "partition"), place, strict=True))
    return REGISTRY.get_sample_value(name, labels)


def test_the_endpoints_metrics_are_declared_with_buckets_around_the_budget() -> None:
    declared = {family.name for family in REGISTRY.collect()}
    assert set(ENDPOINT) <= declared
    assert {30, 40, 50, 75} <= {*metrics.MILLISECONDS}


def test_every_query_of_the_dashboard_asks_for_what_exists_and_nothing_promised_is_left_out() -> (
    None
):
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    asked = {name for query in queries for name in re.findall(r"headrace_\w+", query)}
    sampled = {
        f"{family.name}{end}"
        for family in REGISTRY.collect()
        for end in (("_total",) if family.type == "counter" else ("", "_bucket"))
    }
    assert asked - sampled == set()
    shown = {re.sub(r"_(total|bucket)$", "", name) for name in asked}
    assert ({*FLOWS, *ENDPOINT} - {"headrace_snapshots"}) <= shown
