"""What is gathered is told as if it had been told one by one."""

from __future__ import annotations

import math

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from infra.gathered import Counts, Observations

BOUNDS = (0.001, 0.01, 0.1)


def page(values: list[float], gathered: bool) -> str:
    registry = CollectorRegistry()
    histogram = Histogram("took", "", ["stage"], buckets=BOUNDS, registry=registry).labels("x")
    counter = Counter("asked", "", registry=registry)
    observations, counts = Observations(histogram), Counts(counter)
    for number, value in enumerate(values):
        if gathered:
            observations.observe(value)
            counts.inc()
            if number % 7 == 3:
                observations.settle()
                counts.settle()
        else:
            histogram.observe(value)
            counter.inc()
    observations.settle()
    counts.settle()
    lines = generate_latest(registry).decode().splitlines()
    return "\n".join(line for line in lines if "_created" not in line)


def test_a_histogram_and_a_counter_end_as_if_each_had_been_told_at_once() -> None:
    drawn = np.random.default_rng(1).exponential(0.02, 200)
    values = [*(round(v * 1024) / 1024 for v in drawn), *BOUNDS, 0.0, -1.0, 5.0, math.inf]
    assert page(values[:-1], gathered=True) == page(values[:-1], gathered=False)
    assert page(values, gathered=True) == page(values, gathered=False)


def test_nothing_gathered_is_nothing_told() -> None:
    assert page([], gathered=True) == page([], gathered=False)
