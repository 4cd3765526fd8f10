"""predictions × labels → examples → learners → scores and models; two halves joined by the log.

The examples' order in their topic is the order of learning: whoever reads it, with whatever
number of workers, makes the same models.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.examples import ExampleBatch, ExamplesPart, ExamplesSink, Joined
from flows.joined import JoinPart
from flows.made import Made
from flows.parts import PartedSource
from flows.reading import Reading
from flows.sinks import LogSink, Outgoing, dead_letters
from infra import metrics
from infra.terminal import utc
from online_models.joining import Example
from online_models.stacking import Said, StackState, StackTraining, said, stacks
from online_models.training import State, Taken, Training, fit

NAME = "learning-2"
"""Stands in every snapshot. Where the steps change it takes a new number, so that a recovery store
of before counts for nothing, in place of half of it."""

log = logging.getLogger(__name__)


class Share(NamedTuple):
    """Examples for the learner of that name."""

    name: str
    examples: Sequence[Example]


class Learning(Made[Training]):
    """One learner as a key of the flow."""

    def on_batch(self, values: Sequence[Share]) -> tuple[Iterable[Taken], bool]:
        """Learns what has come, in its order."""
        training = self.core(values[0].name)
        examples = [example for share in values for example in share.examples]
        taken = training.take(examples)
        _tell(training, taken)
        return [taken], Made.RETAIN


class Stacking(Made[StackTraining]):
    """One stack as a key of the flow: its examples, and what its parts said, come as they come."""

    def on_batch(self, values: Sequence[tuple[str, Share | Said]]) -> tuple[Iterable[Taken], bool]:
        """Learns from what every part has spoken of."""
        training = self.core(values[0][0])
        shares = [value for _, value in values if isinstance(value, Share)]
        parts = [value for _, value in values if isinstance(value, Said)]
        taken = training.offer([e for share in shares for e in share.examples], parts)
        _tell(training, taken)
        return [taken] if taken.scores else [], Made.RETAIN


def _tell(training: Training, taken: Taken) -> None:
    if not taken.scores:
        return
    name, quality = training.state.learner.name, training.quality()
    metrics.EXAMPLES.labels(name).inc(len(taken.scores))
    metrics.LEARNER_AUC.labels(name).set(quality.roc_auc)
    metrics.LEARNER_LOG_LOSS.labels(name).set(quality.log_loss)
    for reaction, time in taken.reactions:
        metrics.REACTIONS.labels(name, reaction).inc()
        log.warning("%s reacts to drift: %s, after the example of %s", name, reaction, utc(time))


class Steps:
    """The steps of the flow, as plain functions of one item."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._specs = {spec.name: spec for spec in reading.domain.learners}
        self._stacks = stacks(reading.domain)

    def is_joined(self, item: Joined | ExampleBatch) -> bool:
        """Whether it is to be written to the topic of examples, or was read from it."""
        return isinstance(item, Joined)

    def examples(self, joined: Joined) -> tuple[str, Joined]:
        """The joined examples, for the sink's one part."""
        return "0", joined

    def bury(self, batch: Joined | ExampleBatch) -> list[Outgoing]:
        """What could not be read."""
        return dead_letters(self.reading, batch.dead)

    def share(self, batch: ExampleBatch) -> list[tuple[str, Share]]:
        """Every learner gets every example; a learner is a key, so that workers share them out."""
        plain = [name for name in self._specs if name not in self._stacks]
        return [(name, Share(name, batch.examples)) for name in plain if batch.examples]

    def whole(self, batch: ExampleBatch) -> list[tuple[str, tuple[str, Share]]]:
        """Every stack gets every example too."""
        share = batch.examples
        return [(name, (name, Share(name, share))) for name in self._stacks if share]

    def parts(self, item: tuple[str, Taken]) -> list[tuple[str, tuple[str, Said]]]:
        """What a learner said, for every stack that it is a part of."""
        part, taken = item
        found = [name for name, parts in self._stacks.items() if part in parts]
        return [(name, (name, said(taken, part))) for name in found]

    def stacking(self, resume: bytes | None) -> Stacking:
        """A stack to be made, or as it was."""
        return Stacking(self._stack, resume)

    def learning(self, resume: bytes | None) -> Learning:
        """A learner to be made, or as it was."""
        return Learning(self._training, resume)

    def cards(self, item: tuple[str, Taken]) -> list[Outgoing]:
        """The card of a snapshot that is published, keyed by its name and version."""
        card = item[1].card
        if card is None or not fit(card):
            return []
        return [Outgoing("card", f"{card['name']}@{card['version']}", card)]

    def scores(self, item: tuple[str, Taken]) -> list[Outgoing]:
        """The scores, keyed by the example."""
        return [Outgoing("score", score["id"], score) for score in item[1].scores]

    def models(self, item: tuple[str, Taken]) -> list[Outgoing]:
        """The snapshot where one was due and is fit to serve, keyed by the learner."""
        name, snapshot = item[0], item[1].snapshot
        if snapshot is None:
            return []
        metrics.SNAPSHOT_DIFFERENCE.labels(name).set(snapshot["difference"])
        metrics.SNAPSHOTS.labels(name, "published" if fit(snapshot) else "unfit").inc()
        if not fit(snapshot):
            difference = snapshot["difference"]
            log.error("%s@%d differs by %g: not published", name, snapshot["version"], difference)
            return []
        return [Outgoing("model", name, snapshot)]

    def _training(self, name: str, state: State | None) -> Training:
        settings, domain = self.reading.settings, self.reading.domain
        return Training(domain, self._specs[name], settings.seed, state)

    def _stack(self, name: str, state: StackState | None) -> StackTraining:
        settings, domain = self.reading.settings, self.reading.domain
        return StackTraining(domain, self._specs[name], settings.seed, state)


def flow(reading: Reading) -> Dataflow:
    """The dataflow; each item is a batch, so that its cost is shared by many examples."""
    steps = Steps(reading)
    dataflow = Dataflow(NAME)
    source = PartedSource({"join": partial(JoinPart, reading), "0": partial(ExamplesPart, reading)})
    read = op.branch("read", op.input("log", dataflow, source), steps.is_joined)
    joined, batches = read.trues, read.falses  # Joined, ExampleBatch
    op.output("examples-out", op.map("examples", joined, steps.examples), ExamplesSink(reading))
    unjoined = op.flat_map("bury-unjoined", joined, steps.bury)  # Outgoing

    unlearned = op.flat_map("bury-unlearned", batches, steps.bury)  # Outgoing
    shared = op.flat_map("share", batches, steps.share)  # (learner, Share)
    alone = op.stateful_batch("learn", shared, steps.learning)  # (learner, Taken)
    whole = op.flat_map("whole", batches, steps.whole)  # (stack, (stack, Share))
    parts = op.flat_map("parts", alone, steps.parts)  # (stack, (stack, Said))
    both = op.merge("stacking", whole, parts)  # (stack, (stack, Share | Said))
    blended = op.stateful_batch("stack", both, steps.stacking)  # (stack, Taken)
    learned = op.merge("learned", alone, blended)  # (learner, Taken)
    op.output("scores", op.flat_map("score", learned, steps.scores), LogSink(reading, "scores"))
    op.output("models", op.flat_map("model", learned, steps.models), LogSink(reading, "models"))
    op.output("cards", op.flat_map("card", learned, steps.cards), LogSink(reading, "cards"))

    dead = op.merge("bury", unjoined, unlearned)  # Outgoing
    op.output("dead-letters", dead, LogSink(reading, "dead-letters"))
    return dataflow
