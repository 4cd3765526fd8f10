"""A stack: a blend of other learners' probabilities, learned from what they gave prequentially.

Wolpert, *Stacked Generalization* (1992); what a part says of an example before it learns from it
takes the place of cross-validation. The exported graph contains the graphs of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from online_models.export.graph import Graph
from online_models.learners.blending import DRIFT, SPREAD, Blend
from online_models.learners.learner import Learner, Reaction
from online_models.learners.options import options
from schemas.declare import DeclarationError, Domain, LearnerSpec

Make = Callable[[LearnerSpec, Domain, int], Learner]


@dataclass(frozen=True)
class StackOptions:
    """`parts` are names of other learners of the domain; when left out, all that see the same
    columns and are neither a stack nor the base rate. `spread` and `drift` are the blend's.
    """

    parts: tuple[str, ...] = ()
    spread: float = SPREAD
    drift: float = DRIFT


class Stack:
    """Learners and their blend as one learner (`Learner` says what its methods do)."""

    def __init__(self, name: str, parts: Sequence[Learner], chosen: StackOptions) -> None:
        self.name = name
        self.examples = 0
        self._parts = list(parts)
        self._chosen = chosen
        self._blend = blend(len(self._parts), chosen)

    def predict(self, vector: Sequence[float]) -> float:
        """See `Learner.predict`."""
        return self._blend.score([part.predict(vector) for part in self._parts])

    def learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> None:
        """See `Learner.learn`."""
        self.score_then_learn(vector, label, weight)

    def score_then_learn(self, vector: Sequence[float], label: float, weight: float = 1.0) -> float:
        """See `Learner.score_then_learn`; the blend learns from what the parts said before."""
        said = [part.score_then_learn(vector, label, weight) for part in self._parts]
        probability = self._blend.score(said)
        if weight:
            self._blend.learn(said, bool(label), weight)
            self.examples += 1
        return probability

    def export(self) -> bytes:
        """The graphs of the parts, and the blend of their probabilities."""
        return stacked(self.name, [part.export() for part in self._parts], self._blend)

    def react(self, reaction: str) -> bool:
        """Every part reacts; after a reset the blend starts anew as well."""
        reset = Reaction(reaction) is Reaction.RESET
        if reset:
            self._blend = blend(len(self._parts), self._chosen)
        reacted = [part.react(reaction) for part in self._parts]
        return reset or any(reacted)


def blend(count: int, chosen: StackOptions) -> Blend:
    """The blend of a stack of so many parts that has learned nothing."""
    return Blend(count, chosen.spread, chosen.drift)


def stacked(name: str, graphs: Sequence[bytes], blended: Blend) -> bytes:
    """One graph of the parts' graphs and the blend of what they give."""
    graph = Graph.like(name, graphs[0])
    return graph.finish(blended.export(graph, [graph.embed(part) for part in graphs]))


def parts(spec: LearnerSpec, domain: Domain) -> list[LearnerSpec]:
    """The specs of a stack's parts; raises DeclarationError where one is missing or a stack."""
    chosen = options(spec, StackOptions)
    if not chosen.parts:
        plain = [other for other in domain.learners if other.kind not in ("stack", "base_rate")]
        found = [other for other in plain if other.columns == spec.columns]
    else:
        by_name = {other.name: other for other in domain.learners}
        for name in chosen.parts:
            if name not in by_name or by_name[name].kind == "stack":
                known = ", ".join(n for n, other in by_name.items() if other.kind != "stack")
                raise DeclarationError(
                    f"learner {spec.name!r}: no part {name!r}; there are {known}"
                )
        found = [by_name[name] for name in chosen.parts]
    if not found:
        raise DeclarationError(f"learner {spec.name!r}: a stack needs parts; found none")
    return found


def maker(make: Make) -> Make:
    """Makes stacks whose parts are made by `make`, each as it is made by itself."""

    def make_stack(spec: LearnerSpec, domain: Domain, seed: int) -> Stack:
        chosen = options(spec, StackOptions)
        return Stack(spec.name, [make(part, domain, seed) for part in parts(spec, domain)], chosen)

    return make_stack
