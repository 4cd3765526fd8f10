"""A stack as a key of its own: it blends what its parts, keys of their own, said and exported.

What it publishes after an example is what `online_models.learners.stack.Stack` would: its parts say
the same there as here, and their graphs of after that example go into its own. Their versions are
ahead of its own where it was declared later than they were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from online_models.drift.reacting import Reacting
from online_models.evaluation import weight_of
from online_models.export import run_graph
from online_models.learners.learner import Reaction
from online_models.learners.options import options
from online_models.learners.stack import StackOptions, blend, parts, stacked
from online_models.training import Example, Record, State, Taken, Training, fit
from schemas.declare import DeclarationError, Domain, LearnerSpec

_ANEW = "give it a name of its own and parts of one beginning, or build anew with another "
_ANEW += "HEADRACE_GENERATION"


class PartScore(NamedTuple):
    """What a part said of an example, and its version after that; None in states of before."""

    probability: float
    after: int | None


class Said(NamedTuple):
    """What a part gave for a batch: scores in the examples' order, its fit snapshot."""

    part: str
    scores: Sequence[PartScore]
    version: int
    graph: bytes | None


def said(taken: Taken, part: str) -> Said:
    """What a stack needs of what its part has taken."""
    snapshot = taken.snapshot if taken.snapshot and fit(taken.snapshot) else None
    scores = [PartScore(score["probability"], score["version"] + 1) for score in taken.scores]
    if snapshot is None:
        return Said(part, scores, 0, None)
    return Said(part, scores, snapshot["version"], snapshot["onnx"])


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
    """What waits for its other half besides: examples, the parts' scores and graphs."""

    examples: deque[Example] = field(default_factory=deque)
    scores: dict[str, deque[PartScore]] = field(default_factory=dict)
    graphs: dict[str, dict[int, bytes]] = field(default_factory=dict)


class StackTraining(Training):
    """One stack of a domain; `offer` what has come of examples and of what parts said of them.

    Raises DeclarationError where its state is of other parts, or they began at different examples:
    then no two of their snapshots would ever be of one moment.
    """

    state: StackState

    def __init__(
        self, domain: Domain, spec: LearnerSpec, seed: int, state: StackState | None = None
    ) -> None:
        if state is None:
            names = [part.name for part in parts(spec, domain)]
            blended: Any = Blended(spec.name, names, options(spec, StackOptions))
            reacting = Reacting.of(domain, spec.name, seed)
            state = StackState(blended, reacting=reacting, spec=spec)
            state.scores = {name: deque() for name in names}
            state.graphs = {name: {} for name in names}
        super().__init__(domain, spec, seed, state)
        self._check_parts([part.name for part in parts(spec, domain)])
        for name, scores in state.scores.items():
            state.scores[name] = deque(_with_version(score) for score in scores)
        self._after: list[int | None] = []

    def offer(self, examples: Sequence[Example], parts_said: Sequence[Said]) -> Taken:
        """Learns from the examples that every part has spoken of by now, in their order."""
        state = self.state
        state.examples.extend(examples)
        for part, scores, version, graph in parts_said:
            state.scores[part].extend(scores)
            if graph is not None:
                state.graphs[part][version] = graph
        ready = min(len(state.examples), *map(len, state.scores.values()))
        if ready:
            self._check_beginnings()
        taken = self.take([state.examples.popleft() for _ in range(ready)])
        self._forget_passed()
        return taken

    def _check_parts(self, declared: Sequence[str]) -> None:
        if self._blended.parts != declared:
            found = f"{', '.join(declared)}; expected {', '.join(self._blended.parts)} as before"
            raise DeclarationError(f"learner {self._spec.name!r} has parts {found}: {_ANEW}")

    def _check_beginnings(self) -> None:
        known = {part: scores[0].after for part, scores in self.state.scores.items()}
        if len({*known.values()} - {None}) > 1:
            found = ", ".join(f"{part} {(after or 1) - 1}" for part, after in known.items())
            raise DeclarationError(
                f"learner {self._spec.name!r} has parts that have learned from different numbers "
                f"of examples ({found}); expected the same: {_ANEW}"
            )

    def _due(self, examples: Sequence[Example]) -> int | None:
        """The last example after which there is a graph of every part."""
        state, last = self.state, None
        scores = zip(*(state.scores[part] for part in self._blended.parts), strict=False)
        for number, (example, given) in enumerate(zip(examples, scores, strict=False)):
            state.time = max(example["time"], example["time"] if state.time is None else state.time)
            held = zip(self._blended.parts, given, strict=True)
            if all(score.after in state.graphs[part] for part, score in held):
                state.snapshot_time, last = state.time, number
        return last

    def _forget_passed(self) -> None:
        """Drops graphs of examples that are scored by now."""
        for part, after in zip(self._blended.parts, self._after, strict=False):
            held = self.state.graphs[part]
            for old in [number for number in held if after is not None and number <= after]:
                del held[old]

    def _learn_provisional(self, label: Example) -> None:
        """Only its parts learn provisional labels; it counts them, as its versions are theirs."""
        self._blended.examples += 1

    def _score(self, example: Example) -> float:
        state, blended = self.state, self._blended
        said_so = [state.scores[part].popleft() for part in blended.parts]
        self._after, given = [s.after for s in said_so], [s.probability for s in said_so]
        probability = blended.blend.score(given)
        blended.blend.learn(given, bool(example["label"]), weight_of(example))
        blended.examples += 1
        return probability

    def _export(self) -> tuple[bytes, float] | None:
        """The graph of the parts' graphs of after the newest example."""
        held = zip(self._blended.parts, self._after, strict=True)
        graphs = [self.state.graphs[part][after] for part, after in held if after is not None]
        whole = stacked(self.state.learner.name, graphs, self._blended.blend)
        return whole, self._difference(whole, graphs)

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


def _with_version(score: Any) -> PartScore:
    """A score that waits in a state; in those of before it was a probability alone."""
    return score if isinstance(score, PartScore) else PartScore(score, None)


def stacks(domain: Domain) -> Mapping[str, list[str]]:
    """The domain's stacks by name, with the names of their parts."""
    return {
        spec.name: [part.name for part in parts(spec, domain)]
        for spec in domain.learners
        if spec.kind == "stack"
    }


__all__ = ["PartScore", "Record", "Said", "StackState", "StackTraining", "said", "stacks"]
