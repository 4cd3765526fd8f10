"""What a learner's key in the stream holds: score, learn, watch the quality, take snapshots.

All of it is a function of the examples' order: where a batch begins decides nothing that is
published under a version.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from online_models.drift.reacting import Reacted, Reacting
from online_models.evaluation import Measures, weight_of
from online_models.export import check_graph
from online_models.learners import Learner, make
from online_models.learners.learner import InBatches
from online_models.learners.usage import learned, used
from online_models.tallies import Recent, Slices
from schemas.declare import DeclarationError, Domain, LearnerSpec

RECENT = 64
"""Examples that a graph is checked on."""
WINDOW = 2_000
"""Examples over which the running quality is taken."""
TOLERANCE = 1e-5
"""A graph whose probability differs from its learner's by more is not fit to serve."""

Example = Mapping[str, Any]
Record = dict[str, Any]


class Taken(NamedTuple):
    """Records of `score.avsc`, and of `model.avsc` and `card.avsc` where a snapshot was due.

    `reactions` are those made on the way.
    """

    scores: list[Record]
    snapshot: Record | None
    card: Record | None
    reactions: Sequence[Reacted] = ()


class ProvisionalScore(NamedTuple):
    """What a learner said of a prediction just before it learned a provisional label of it.

    That is what is scored when the true label comes: by then the learner has been told.
    """

    probability: float
    weight: float
    forget: int


@dataclass(slots=True)
class State:
    """What has to survive a crash; can be pickled. Times are event time in ms."""

    learner: Learner
    recent: deque[Sequence[float]] = field(default_factory=lambda: deque(maxlen=RECENT))
    quality: Recent = field(default_factory=lambda: Recent(WINDOW))
    slices: Slices = field(default_factory=Slices)
    oldest: int | None = None
    time: int | None = None
    snapshot_examples: int = 0
    snapshot_time: int = 0
    reacting: Reacting | None = None
    provisional: dict[str, ProvisionalScore] = field(default_factory=dict)
    spec: LearnerSpec | None = None


class Training:
    """One learner of a domain; starts untaught, or goes on from a state.

    Raises DeclarationError where the state is of a learner that was declared otherwise: what it
    was told now would change nothing, and its versions are taken.
    """

    def __init__(
        self, domain: Domain, spec: LearnerSpec, seed: int, state: State | None = None
    ) -> None:
        self._domain = domain
        self._spec = spec
        self._reactions: list[Reacted] = []
        self.state = state or State(
            make(spec, domain, seed), reacting=Reacting.of(domain, spec.name, seed), spec=spec
        )
        if self.state.spec != spec:
            raise DeclarationError(
                f"learner {spec.name!r} has learned as {self.state.spec}; expected the same, found "
                f"{spec}: give it a name of its own, or build anew with another HEADRACE_GENERATION"
            )

    def take(self, examples: Sequence[Example]) -> Taken:
        """Scores every example, then learns it; gives the scores and the newest snapshot due.

        Snapshots that fell due earlier in the same call could never be served, and are left out.
        Raises GraphError where an export is no graph.
        """
        self._reactions = []
        last = self._due(examples)
        if last is None:
            return Taken(self._learn_all(examples), None, None, self._reactions)
        scores = self._learn_all(examples[: last + 1])
        snapshot = self._snapshot()
        card = snapshot and self._card(snapshot)
        scores += self._learn_all(examples[last + 1 :])
        return Taken(scores, snapshot, card, self._reactions)

    def quality(self) -> Measures:
        """Prequential measures over the newest WINDOW examples."""
        return self.state.quality.measures()

    def _due(self, examples: Sequence[Example]) -> int | None:
        """The last example after which a snapshot is due; notes what was due."""
        state, every, last = self.state, self._domain.publishing, None
        count = state.learner.examples
        for number, example in enumerate(examples):
            count += 1 + len(example.get("provisional", ()))
            if state.time is None:
                state.time = state.snapshot_time = example["time"]
            state.time = max(state.time, example["time"])
            enough = count - state.snapshot_examples >= every.examples
            if enough or state.time - state.snapshot_time >= every.time:
                state.snapshot_examples, state.snapshot_time, last = count, state.time, number
        return last

    def _learn_all(self, examples: Sequence[Example]) -> list[Record]:
        state, learner = self.state, self.state.learner
        known = () if state.oldest is None else (state.oldest,)
        times = (example["time"] for example in examples)
        state.oldest = min((*known, *times), default=None)
        if not (isinstance(learner, InBatches) and self._undisturbed(examples)):
            return [self._learn(example) for example in examples]
        version = learner.examples
        said = learner.score_then_learn_many(
            [example["vector"] for example in examples],
            [example["label"] for example in examples],
            [weight_of(example) for example in examples],
        )
        versions = range(version, version + len(said))
        return [self._note(*each) for each in zip(examples, versions, said, strict=True)]

    def _undisturbed(self, examples: Sequence[Example]) -> bool:
        """Whether nothing can happen to the learner between these examples."""
        state = self.state
        provisional = any(example.get("provisional", ()) for example in examples)
        return state.reacting is None and not state.provisional and not provisional

    def _learn(self, example: Example) -> Record:
        state = self.state
        for label in example.get("provisional", ()):
            self._learn_provisional(label)
        version = state.learner.examples
        probability = self._score(example)
        if state.reacting is not None:
            self._reactions += state.reacting.after(state.learner, example, probability)
        return self._note(example, version, probability)

    def _note(self, example: Example, version: int, probability: float) -> Record:
        """Takes what was said of an example into the measures; gives the score."""
        state, label, weight = self.state, example["label"], weight_of(example)
        state.recent.append(example["vector"])
        state.quality.update(label, probability, weight)
        state.slices.update(example["slices"], label, probability, weight)
        return {
            "id": example["id"],
            "time": example["time"],
            "asked": example["asked"],
            "learner": state.learner.name,
            "version": version,
            "probability": probability,
            "label": label,
            "seen": example.get("seen", 1.0),
        }

    def _learn_provisional(self, label: Example) -> None:
        """Learns a provisional label, and keeps what it would have said before."""
        learner, scores = self.state.learner, self.state.provisional
        said = learner.score_then_learn(label["vector"], label["label"], label["weight"])
        forget = label["time"] + self._domain.label.deadline
        scores[label["id"]] = ProvisionalScore(said, label["weight"], forget)
        while scores[oldest := next(iter(scores))].forget < label["time"]:  # its label never came
            del scores[oldest]

    def _score(self, example: Example) -> float:
        """What the learner said of an example; it has learned all of it then."""
        learner = self.state.learner
        vector, label, weight = example["vector"], example["label"], weight_of(example)
        before = self.state.provisional.pop(example["id"], None)
        if before is not None:
            learner.learn(vector, label, weight - before.weight)
            return before.probability
        return learner.score_then_learn(vector, label, weight)

    def _export(self) -> tuple[bytes, float] | None:
        """The graph, and how far it is from its learner; None where there is none to be had."""
        learner = self.state.learner
        graph = learner.export()
        return graph, check_graph(graph, learner, list(self.state.recent))

    def _snapshot(self) -> Record | None:
        learner, exported = self.state.learner, self._export()
        if exported is None:
            return None
        graph, difference = exported
        return {
            "name": learner.name,
            "version": learner.examples,
            "time": self.state.snapshot_time,
            "domain": self._domain.name,
            "kind": self._spec.kind,
            "onnx": graph,
            "sha256": hashlib.sha256(graph).hexdigest(),
            "inputs": list(self._domain.vector_names),
            "checked": len(self.state.recent),
            "difference": difference,
            "metrics": self.quality().finite(),
        }

    def _card(self, snapshot: Record) -> Record:
        """What is known of a snapshot besides its graph."""
        state = self.state
        shared = ("name", "version", "time", "domain", "kind", "sha256", "checked", "difference")
        features, categories = used(self._spec, self._domain)
        return {
            **{name: snapshot[name] for name in shared},
            "since": state.oldest,
            "features": features,
            "categories": categories,
            "learned": learned(self._spec, self._domain),
            "recent": snapshot["metrics"],
            "overall": state.slices.overall.measures().finite(),
            "slices": {
                name: tally.measures().finite() for name, tally in state.slices.tallies.items()
            },
        }


def fit(snapshot: Mapping[str, Any]) -> bool:
    """Whether a snapshot says what its learner says; never for NaN."""
    return bool(snapshot["difference"] <= TOLERANCE)
