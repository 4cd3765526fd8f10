"""What the server says of itself: time by stage from its `/metrics`, versions from `/models`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import urlopen

import msgspec
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

STAGES = "headrace_request_seconds"
"""The histogram of the endpoint's time, labelled by stage."""

Buckets = dict[str, dict[float, float]]
"""For each stage, the cumulative count of requests by upper bound in seconds."""


class Stage(msgspec.Struct, frozen=True):
    """The time that requests spent in one stage during the run, milliseconds."""

    count: int
    p50: float
    p99: float


def read_text(url: str, path: str) -> str | None:
    """The text at another path of the URL's server; None where there is none, or no HTTP."""
    try:
        with urlopen(urljoin(url, path), timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except (URLError, HTTPException, TimeoutError, ConnectionError, UnicodeDecodeError):
        return None


def stage_buckets(metrics: str | None) -> Buckets:
    """The stages' buckets out of a Prometheus page; empty where the text is none or has none."""
    try:
        return _buckets(text_string_to_metric_families(metrics or ""))
    except ValueError:  # another server's page, in a form of its own
        return {}


def _buckets(families: Iterable[Metric]) -> Buckets:
    found: Buckets = {}
    for family in families:
        if family.name != STAGES:
            continue
        for sample in family.samples:
            if sample.name.endswith("_bucket") and "stage" in sample.labels:
                bounds = found.setdefault(sample.labels["stage"], {})
                bound = float(sample.labels["le"])
                bounds[bound] = bounds.get(bound, 0.0) + sample.value
    return found


def stages(before: Buckets, after: Buckets) -> dict[str, Stage]:
    """What was added between two readings; percentiles interpolated inside their bucket."""
    told = {}
    for name, bounds in after.items():
        was = before.get(name, {})
        added = {bound: count - was.get(bound, 0.0) for bound, count in sorted(bounds.items())}
        total = max(added.values(), default=0.0)
        if total > 0:
            told[name] = Stage(int(total), _quantile(added, 0.5), _quantile(added, 0.99))
    return told


def _quantile(cumulative: Mapping[float, float], q: float) -> float:
    """In milliseconds; the highest finite bound where it lies beyond."""
    rank = q * max(cumulative.values())
    low, below = 0.0, 0.0
    for bound, count in cumulative.items():
        if count >= rank:
            if bound == float("inf"):
                break
            inside = (rank - below) / (count - below) if count > below else 1.0
            return (low + (bound - low) * inside) * 1e3
        low, below = bound, count
    return low * 1e3


def models(url: str) -> Any:
    """The server's list of models as it tells it; None where it does not."""
    text = read_text(url, "/models")
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
