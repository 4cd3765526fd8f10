"""Joins predictions and labels by id in event time.

Either may come first, twice, or never. What comes out depends on the times in the records and on
their order, never on a clock: time is the newest event time seen (the watermark), a prediction
waits for its label until `time + deadline`, and a label later than that does not count.

A provisional label is of a prediction that waits, a correction of one that has its example. Either
goes on with the next example that is complete: so it stands in the log once, at a certain place in
the order of learning.

Where silence is an answer it is the slowest one: in the first deadline after the first question
only those come to light that are not silent. So these wait for their own deadlines, or a learner
would see nothing but positives for that long.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from online_models.provisional import ProvisionalLabel
from schemas.declare import Label, Unlabelled

Record = Mapping[str, Any]
Example = dict[str, Any]
"""A record of `schemas/core/example.avsc`."""

AS_SERVED = ("probability", "model", "version", "arm", "propensity", "policy", "slices")
SINCE_ROUTING = {"unit": "", "seen": 1.0}
"""As served too, with what older predictions stand for."""


class _Told(NamedTuple):
    time: int
    value: float


class _Waiting(NamedTuple):
    """A prediction that waits for its label, or with it (`told`) for its deadline."""

    asked: int
    vector: array[float]
    served: tuple[Any, ...]
    provisional: bool = False
    told: _Told | None = None

    @property
    def hidden(self) -> bool:
        """Whether the decision keeps its outcome from coming to light."""
        return not self.served[-1]


class _Done(NamedTuple):
    """A prediction that waits no more; `told` counts until `deadline`, None where nothing can."""

    deadline: int
    told: _Told | None


PRESUMED = _Told(-(2**63), 0.0)
"""What silence until the deadline says: any label that was late on its way takes its place."""


@dataclass(slots=True)
class Counts:
    """What became of the records so far.

    `expired` are predictions without a label by the deadline; `orphans` are labels that no
    prediction claimed; `late` are labels dated after the deadline, and records that came when
    nothing is known about their time any more; `corrected` are examples given another label.
    """

    joined: int = 0
    expired: int = 0
    orphans: int = 0
    duplicates: int = 0
    late: int = 0
    hidden: int = 0
    corrected: int = 0


@dataclass(slots=True)
class JoinState:
    """The join's memory; feed it records in (roughly) event-time order.

    It holds predictions that wait, labels that wait (each for one deadline), and ids that are done
    (for one deadline more), so that a second copy is known for one and a prediction that is logged
    late still finds its label: disorder of less than the deadline does not change the outcome. Of
    labels that differ the newest by its time counts, if it is not later than the deadline.
    """

    declared: Label
    watermark: int = -(2**63)
    counts: Counts = field(default_factory=Counts)
    _predictions: dict[str, _Waiting | _Done] = field(default_factory=dict)
    _labels: dict[str, list[_Told]] = field(default_factory=dict)  # by time
    _expiries: list[tuple[int, str]] = field(default_factory=list)  # heap, when predictions expire
    _forgets: list[tuple[int, str]] = field(default_factory=list)  # heap, when done ids are dropped
    _orphanings: list[tuple[int, str]] = field(default_factory=list)  # heap, when labels expire
    _provisional: list[dict[str, Any]] = field(default_factory=list)  # for the next example
    _corrections: list[dict[str, Any]] = field(default_factory=list)  # for the next example
    _waiting: int = 0
    _first: int = 2**62  # when the first question was asked

    @property
    def pending_predictions(self) -> int:
        """Predictions that wait for their label."""
        return self._waiting

    @property
    def pending_labels(self) -> int:
        """Labels that wait for their prediction."""
        return len(self._labels)

    def prediction(self, record: Record) -> list[Example]:
        """Take a record of `prediction.avsc`; gives the examples that are now complete."""
        done = self.advance(record["time"])
        id_, deadline = record["id"], record["time"] + self.declared.deadline
        if id_ in self._predictions:
            self.counts.duplicates += 1
        elif deadline + self.declared.deadline < self.watermark:
            self.counts.late += 1
        else:
            done += self._ask(id_, deadline, record)
            done += self._expire()  # at once, when it was logged after its deadline
        return done

    def label(self, record: Record) -> list[Example]:
        """Take a record of `label.avsc`; gives the examples that are now complete."""
        done = self.advance(record["time"])
        id_, told = record["id"], _Told(record["time"], record["value"])
        if id_ not in self._predictions:
            self._keep(id_, told)
            return done
        waiting = self._predictions[id_]
        if isinstance(waiting, _Done):
            self._correct(id_, waiting, told)
        elif told.time > waiting.asked + self.declared.deadline:
            self.counts.late += 1
        else:
            done += self._labelled(id_, waiting, told)
        return done

    def provisional(self, label: ProvisionalLabel) -> None:
        """Take a provisional label; the first of a prediction that waits for its label counts.

        It is not a label, and an event's time moves no watermark here.
        """
        waiting = self._predictions.get(label.id)
        if not isinstance(waiting, _Waiting) or waiting.provisional:
            return
        if label.time <= waiting.asked + self.declared.deadline:
            self._predictions[label.id] = waiting._replace(provisional=True)
            vector = waiting.vector.tolist()
            self._provisional.append({**label._asdict(), "vector": vector})

    def advance(self, time: int) -> list[Example]:
        """Move the watermark to a newer time; gives the examples that their deadlines complete."""
        if time <= self.watermark:
            return []
        self.watermark = time
        self._orphan()
        done = self._expire()
        while self._forgets and self._forgets[0][0] < time:
            del self._predictions[heapq.heappop(self._forgets)[1]]
        return done

    def _ask(self, id_: str, deadline: int, record: Record) -> list[Example]:
        self._first = min(self._first, record["time"])
        heapq.heappush(self._expiries, (deadline, id_))
        served = tuple(record[name] for name in AS_SERVED)
        served += tuple(record.get(name, usual) for name, usual in SINCE_ROUTING.items())
        waiting = _Waiting(record["time"], array("d", record["vector"]), served)
        self._predictions[id_] = waiting
        self._waiting += 1
        labels = self._labels.pop(id_, [])
        if waiting.hidden:
            self._end(id_, _Done(deadline, None))
            self.counts.hidden += 1
            return []
        if not labels:
            return []
        if labels[0].time > deadline:
            self.counts.late += 1
            return []
        done = self._labelled(id_, waiting, labels[0])
        for told in labels[1:]:
            done += self.label({"id": id_, **told._asdict()})
        return done

    def _keep(self, id_: str, told: _Told) -> None:
        """Holds a label: of those of one prediction the first and the last."""
        known = self._labels.get(id_)
        if known is not None:
            self.counts.duplicates += 1
        elif told.time + self.declared.deadline < self.watermark:
            self.counts.late += 1
            return
        labels = sorted({*(known or ()), told})
        self._labels[id_] = labels if len(labels) < 3 else [labels[0], labels[-1]]
        if known is None or labels[0] < known[0]:
            heapq.heappush(self._orphanings, (labels[0].time + self.declared.deadline, id_))

    def _correct(self, id_: str, done: _Done, told: _Told) -> None:
        """A label for what has an example: it counts where it is newer, and of another value."""
        if done.told is None or told <= done.told:
            self.counts.duplicates += 1
        elif told.time > done.deadline:
            self.counts.late += 1
        else:
            self._predictions[id_] = _Done(done.deadline, told)
            if told.value == done.told.value:
                self.counts.duplicates += 1
                return
            self.counts.corrected += 1
            self._corrections.append({"id": id_, "time": told.time, "label": told.value})

    def _labelled(self, id_: str, waiting: _Waiting, told: _Told) -> list[Example]:
        """A label in time: the example, where it need not wait for its deadline."""
        beginning = self._first + self.declared.deadline
        if self.declared.missing is not Unlabelled.NEGATIVE or told.time >= beginning:
            return [self._join(id_, waiting, told)]
        if waiting.told:
            self.counts.duplicates += 1
        self._predictions[id_] = waiting._replace(told=max(told, waiting.told or told))
        return []

    def _join(self, id_: str, waiting: _Waiting, told: _Told) -> Example:
        self._end(id_, _Done(waiting.asked + self.declared.deadline, told))
        self.counts.joined += 1
        return self._example(id_, waiting, told, "label")

    def _end(self, id_: str, done: _Done) -> None:
        self._predictions[id_] = done
        self._waiting -= 1

    def _expire(self) -> list[Example]:
        done = []
        while self._expiries and self._expiries[0][0] < self.watermark:
            deadline, id_ = heapq.heappop(self._expiries)
            heapq.heappush(self._forgets, (deadline + self.declared.deadline, id_))
            waiting = self._predictions[id_]
            if isinstance(waiting, _Done):
                continue
            if waiting.told:
                done.append(self._join(id_, waiting, _Told(deadline, waiting.told.value)))
                continue
            self.counts.expired += 1
            if self.declared.missing is Unlabelled.NEGATIVE:
                self._end(id_, _Done(deadline, PRESUMED))
                done.append(self._example(id_, waiting, _Told(deadline, 0.0), "deadline"))
            else:
                self._end(id_, _Done(deadline, None))
        return done

    def _orphan(self) -> None:
        while self._orphanings and self._orphanings[0][0] < self.watermark:
            expiry, id_ = heapq.heappop(self._orphanings)
            labels = self._labels.get(id_)
            if labels is not None and labels[0].time + self.declared.deadline == expiry:
                del self._labels[id_]
                self.counts.orphans += 1

    def _example(self, id_: str, waiting: _Waiting, told: _Told, origin: str) -> Example:
        """What is complete; with it go provisional labels and corrections of others."""
        provisional = [one for one in self._provisional if one["id"] != id_]
        corrections, self._corrections, self._provisional = self._corrections, [], []
        return {
            "id": id_,
            "time": told.time,
            "asked": waiting.asked,
            "vector": waiting.vector.tolist(),
            "label": told.value,
            "origin": origin,
            **dict(zip((*AS_SERVED, *SINCE_ROUTING), waiting.served, strict=True)),
            "provisional": provisional,
            "corrections": corrections,
        }
