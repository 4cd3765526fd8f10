"""A quiet stream whose decisions begin to hide outcomes: nothing changes but what is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.drift.worlds import EPOCH, PLANTED, Stream, payments_stream
from benchmarks.routing.worlds import MONEY
from online_models.routes.decisions import Decider
from schemas.declare import DAY
from schemas.domains import load

STOPPED = 0.03
"""The share of the most probable that is stopped: the stand-in that serves these streams hardly
ever says the 5 % at which the domain stops, and then for the frauds of one in twenty."""


def stopping_stream(seed: int) -> Stream:
    """The quiet payments of that seed; from day PLANTED on a policy stops the most probable."""
    return stopped(payments_stream(seed), EPOCH + PLANTED * DAY)


def stopped(stream: Stream, begun: int) -> Stream:
    """The stream where payments' policy begins to stop at an event time: a tenth passes by lot."""
    domain = load("payments")
    before = stream.scores[(stream.times >= begun - 28 * DAY) & (stream.times < begun)]
    reward = replace(MONEY, threshold=float(np.quantile(before, 1 - STOPPED)))
    decider = Decider(replace(domain, routing=replace(domain.routing, reward=reward)))
    seen = np.ones(len(stream.times))
    for place in np.flatnonzero(stream.times >= begun).tolist():
        seen[place] = decider.decide(str(place), float(stream.scores[place])).seen
    return replace(stream, seen=seen)
