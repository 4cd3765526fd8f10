"""What is watched of a domain: one watcher a key, each with the stream that it reads.

inputs          predictions   the vector's columns and the served score
label           examples      the label
positives       examples      the score of those that are positive
error:served    examples      the loss of what was answered
error:<arm>     scores        the loss of every learner, served or not
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from online_models.drift.alarms import Alarms, Record
from online_models.drift.arms import ArmWatch
from online_models.drift.budget import SERVED, Budget, arms_of
from online_models.drift.columns import input_columns, input_row, label_columns
from online_models.drift.packets import Answer
from online_models.drift.positives import PositivesWatch
from online_models.drift.reference import slices_of
from online_models.drift.watch import Watch
from online_models.evaluation import weight_of
from online_models.seen import Seen
from schemas.declare import Domain

Stream = Literal["predictions", "examples", "scores"]

REMEMBERED = 5_000
"""Ids by which copies are known: whoever answers requests of a topic repeats its last after a
crash."""

Answers = ArmWatch | PositivesWatch
"""They take answers, see `online_models.drift.packets.Answer`."""


class Watcher:
    """Takes records of one stream in event-time order; can be pickled."""

    def __init__(self, key: str, stream: Stream, watch: Watch | Answers) -> None:
        self.key, self.stream, self._watch = key, stream, watch
        self._version = -1
        self._ids: set[str] = set()
        self._seen = Seen(REMEMBERED)

    @property
    def alarms(self) -> Alarms:
        """Those that are open."""
        return self._columns.alarms

    @property
    def ready(self) -> bool:
        """Whether there is a reference to compare with."""
        return self._columns.ready

    @property
    def _columns(self) -> Watch:
        return self._watch if isinstance(self._watch, Watch) else self._watch.watch

    def take(self, records: Sequence[Mapping[str, Any]]) -> list[Record]:
        """What became of alarms, as records of `alarm.avsc`."""
        if self.stream == "scores":
            records = [record for record in records if self._mine(record)]
        else:
            records = self._seen.new(records)
        if not records:
            return []
        if not isinstance(self._watch, Watch):
            return self._watch.take([Answer.of(r, r["probability"]) for r in records])
        times = np.array([record["time"] for record in records], np.int64)
        slices = [slices_of(record) for record in records]
        if self.key == "inputs":
            return self._watch.take(times, np.array([input_row(r) for r in records]), slices)
        values = np.array([[r["label"]] for r in records], np.float64)
        weights = np.array([weight_of(record) for record in records])
        return self._watch.take(times, values, slices, weights)

    def _mine(self, score: Mapping[str, Any]) -> bool:
        """Whether a score is of this arm and new: after a crash the last of them come again."""
        version, id_ = score["version"], score["id"]
        if f"error:{score['learner']}" != self.key or version < self._version:
            return False
        if version > self._version:
            self._version, self._ids = version, set()
        new = id_ not in self._ids
        self._ids.add(id_)
        return new


def watchers(domain: Domain, seed: int) -> list[Watcher]:
    """All of a domain's, that have seen nothing."""
    budget = Budget.of(domain)
    made = [
        Watcher("inputs", "predictions", Watch(domain.name, input_columns(domain), budget, seed)),
        Watcher("label", "examples", Watch(domain.name, label_columns(), budget, seed)),
        Watcher("positives", "examples", PositivesWatch(domain.name, budget, seed)),
    ]
    for arm in arms_of(domain):
        stream: Stream = "examples" if arm == SERVED else "scores"
        made.append(Watcher(f"error:{arm}", stream, ArmWatch(domain.name, arm, budget, seed)))
    return made
