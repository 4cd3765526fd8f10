"""A stack as a key of its own: it blends what its parts, keys of their own, said and exported.

What it publishes under a version is what `online_models.learners.stack.Stack` would: its parts say
the same there as here, and their graphs of that version go into its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from online_models.evaluation import weight_of
from online_models.export import run_graph
from online_models.learners.learner import Reaction
from online_models.learners.options import options
from online_models.learners.stack import StackOptions, blend, parts, stacked
from online_models.training import Example, Record, State, Taken, Training, fit
from schemas.declare import Domain, LearnerSpec


class Said(NamedTuple):
    """What a part gave for a batch: probabilities in the examples' order, its fit snapshot."""

    part: str
    probabilities: Sequence[float]
    version: int
    graph: bytes | None


def said(taken: Taken, part: str) -> Said:
    """What a stack needs of what its part has taken."""
    snapshot = taken.snapshot if taken.snapshot and fit(taken.snapshot) else None
    probabilities = [score["probability"] for score in taken.scores]
    if snapshot is None:
        return Said(part, probabilities, 0, None)
    return Said(part, probabilities, snapshot["version"], snapshot["onnx"])


class Blended:
    """The blend under its stack's name; stands in the state where a learner would."""

    def __init__(self, name: str, names: Sequence[str], chosen: StackOptions) -> None:
        self.name = name
        self.examples = 0
        self.parts = list(names)
        self._chosen = chosen
        self.blend = blend(len(self.parts), chosen)

    def react(self, reaction: str) -> bool:
        """A reset starts the blend anew; the parts react by themselves."""
        reset = Reaction(reaction) is Reaction.RESET
        if reset:
            self.blend = blend(len(self.parts), self._chosen)
        return reset


@dataclass(slots=True)
class StackState(State):
    """What waits for its other half besides: examples, the parts' probabilities and graphs."""

    examples: deque[Example] = field(default_factory=deque)
    scores: dict[str, deque[float]] = field(default_factory=dict)
    graphs: dict[str, dict[int, bytes]] = field(default_factory=dict)


class StackTraining(Training):
    """One stack of a domain; `offer` what has come of examples and of what parts said of them."""

    state: StackState

    def __init__(
        self, domain: Domain, spec: LearnerSpec, seed: int, state: StackState | None = None
    ) -> None:
        if state is None:
            names = [part.name for part in parts(spec, domain)]
            blended: Any = Blended(spec.name, names, options(spec, StackOptions))
            state = StackState(blended, spec=spec)
            state.scores = {name: deque() for name in names}
            state.graphs = {name: {} for name in names}
        super().__init__(domain, spec, seed, state)

    def offer(self, examples: Sequence[Example], parts_said: Sequence[Said]) -> Taken:
        """Learns from the examples that every part has spoken of by now, in their order."""
        state = self.state
        state.examples.extend(examples)
        for part, probabilities, version, graph in parts_said:
            state.scores[part].extend(probabilities)
            if graph is not None:
                state.graphs[part][version] = graph
        ready = min(len(state.examples), *map(len, state.scores.values()))
        return self.take([state.examples.popleft() for _ in range(ready)])

    def _learn_provisional(self, label: Example) -> None:
        """Only its parts learn provisional labels; it counts them, as its versions are theirs."""
        self._blended.examples += 1

    def _score(self, example: Example) -> float:
        state, blended = self.state, self._blended
        given = [state.scores[part].popleft() for part in blended.parts]
        probability = blended.blend.score(given)
        blended.blend.learn(given, bool(example["label"]), weight_of(example))
        blended.examples += 1
        return probability

    def _export(self) -> tuple[bytes, float] | None:
        """None where a part skipped this version, or its graph was not fit."""
        state, version = self.state, self.state.learner.examples
        graphs = [state.graphs[part].get(version) for part in self._blended.parts]
        for held in state.graphs.values():
            for old in [number for number in held if number <= version]:
                del held[old]
        known = [graph for graph in graphs if graph is not None]
        if len(known) < len(graphs):
            return None
        whole = stacked(state.learner.name, known, self._blended.blend)
        return whole, self._difference(whole, known)

    def _difference(self, whole: bytes, graphs: Sequence[bytes]) -> float:
        """Of the whole graph from the blend of what its parts' graphs, each checked, give."""
        recent = list(self.state.recent)
        given = np.column_stack([run_graph(graph, recent) for graph in graphs]).tolist()
        expected = np.array([self._blended.blend.score(row) for row in given])
        return float(np.max(np.abs(run_graph(whole, recent) - expected)))

    @property
    def _blended(self) -> Blended:
        blended: Any = self.state.learner
        found: Blended = blended
        return found


def stacks(domain: Domain) -> Mapping[str, list[str]]:
    """The domain's stacks by name, with the names of their parts."""
    return {
        spec.name: [part.name for part in parts(spec, domain)]
        for spec in domain.learners
        if spec.kind == "stack"
    }


__all__ = ["Record", "Said", "StackState", "StackTraining", "said", "stacks"]
