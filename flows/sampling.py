"""examples → samples: every declared sample is a key, kept by one worker, and its snapshots.

The same log gives the same samples with any number of workers: they share the samples out whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.examples import ExampleBatch, ExamplesPart
from flows.made import Made
from flows.parts import PartedSource
from flows.reading import Reading
from flows.sinks import LogSink, Outgoing, dead_letters
from infra import metrics
from online_models.joining import Example
from online_models.samples.sampling import Sampling, State


class Share(NamedTuple):
    """Examples for the sample of that name."""

    name: str
    examples: Sequence[Example]


Parts = list[dict[str, Any]]
"""The parts of a snapshot: records of `sample.avsc`."""


class Keeping(Made[Sampling]):
    """One sample as a key of the flow."""

    def on_batch(self, values: Sequence[Share]) -> tuple[Iterable[Parts], bool]:
        """Offers what has come, in its order."""
        name = values[0].name
        sampling = self.core(name)
        parts = sampling.take([example for share in values for example in share.examples])
        metrics.SAMPLE_SEEN.labels(name).set(sampling.state.version)
        metrics.SAMPLE_ROWS.labels(name).set(sampling.kept())
        return ([parts] if parts else []), Made.RETAIN


class Steps:
    """The steps of the flow, as plain functions of one item."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._samples = {sample.name: sample for sample in reading.domain.samples}

    def bury(self, batch: ExampleBatch) -> list[Outgoing]:
        """What could not be read."""
        return dead_letters(self.reading, batch.dead)

    def share(self, batch: ExampleBatch) -> list[tuple[str, Share]]:
        """Every sample is offered every example; a sample is a key, so workers share them out."""
        metrics.EVENTS.labels(self.reading.flow, "example").inc(len(batch.examples))
        return [(name, Share(name, batch.examples)) for name in self._samples if batch.examples]

    def keeping(self, resume: bytes | None) -> Keeping:
        """A sample to be made, or as it was."""
        return Keeping(self._sampling, resume)

    def parts(self, item: tuple[str, Parts]) -> list[Outgoing]:
        """The parts of a snapshot, each the state of its key."""
        return [Outgoing("sample", key_of(part), part) for part in item[1]]

    def _sampling(self, name: str, state: State | None) -> Sampling:
        """One that is declared otherwise now begins anew."""
        settings, sample = self.reading.settings, self._samples[name]
        known = state if state and state.sample == sample else None
        return Sampling(self.reading.domain, sample, settings.seed, known)


def key_of(part: dict[str, Any]) -> str:
    """The Kafka key of a part of a snapshot."""
    return part["name"] if part["part"] == 0 else f"{part['name']}/{part['part']}"


def flow(reading: Reading) -> Dataflow:
    """The dataflow; each item is a batch, so that its cost is shared by many examples."""
    steps = Steps(reading)
    reading.examples_end = 0  # whoever joins them is another flow: the end is that of the topic
    dataflow = Dataflow("sampling")
    source = PartedSource({"0": partial(ExamplesPart, reading)})
    batches = op.input("examples", dataflow, source)  # ExampleBatch
    dead = op.flat_map("bury", batches, steps.bury)  # Outgoing
    op.output("dead-letters", dead, LogSink(reading, "dead-letters"))
    shared = op.flat_map("share", batches, steps.share)  # (sample, Share)
    kept = op.stateful_batch("keep", shared, steps.keeping)  # (sample, Parts)
    op.output("samples", op.flat_map("parts", kept, steps.parts), LogSink(reading, "samples"))
    return dataflow
