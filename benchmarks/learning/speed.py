"""Examples per second of each learner in flows/learning, beside a bare loop over the same examples.

The flow goes all its way: predictions and labels out of a broker, join, examples, learner, scores,
snapshots and cards into the broker again; in a process and on a broker of its own each time. The
bare loop has the same examples in memory, as dicts. Turns alternate. Every probability in the log
must be that of the bare loop, and a snapshot must have been published.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from benchmarks.learning import bare
from benchmarks.learning.speeds import FLOW, LEARNING, Learning, Options, Turn
from benchmarks.machine import facts
from benchmarks.streams.asked_log import fill_asked
from benchmarks.streams.stack import stack
from flows.run import run as run_flow
from infra import inspection, topics
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models.learners import stack as stacks
from schemas import domains
from schemas.dataset import load
from schemas.declare import Domain, LearnerSpec

TOLERANCE = 1e-9
_PARTITIONS = 2
_LOG = {"predictions": "prediction", "labels": "label"}
Given = TypeVar("Given")
Record = dict[str, Any]


class WrongScores(RuntimeError):
    """The flow's probabilities are not those of the bare loop; names the learner and the first."""


class UnknownLearner(ValueError):
    """The domain has no learner of that name."""


class Timed(NamedTuple):
    """Wall and CPU seconds, and probabilities where there are any."""

    seconds: float
    cpu: float
    said: list[float]


def run(options: Options, tell: Callable[[Turn], None] = lambda turn: None) -> Learning:
    """Takes all turns; raises WrongScores, UnknownLearner, LogError."""
    domain = domains.load(options.domain)
    specs = _chosen(domain, options.learners)
    log = _log(domain, options.days, options.seed)
    turns: list[Turn] = []
    for number in range(options.rounds):
        for spec in specs:
            for turn in _turns(_alone(domain, spec), spec, log, number, options.seed):
                turns.append(turn)
                tell(turn)
    return Learning(kind=LEARNING, options=options, machine=facts(), turns=turns)


def _chosen(domain: Domain, names: Sequence[str]) -> list[LearnerSpec]:
    by_name = {spec.name: spec for spec in domain.learners}
    for name in names:
        if name not in by_name:
            raise UnknownLearner(f"no learner {name!r}; there are {', '.join(by_name)}")
    return [by_name[name] for name in names or by_name]


def _alone(domain: Domain, spec: LearnerSpec) -> Domain:
    """The domain with that learner, and with the parts of it where it is a stack."""
    parts = stacks.parts(spec, domain) if spec.kind == "stack" else []
    return replace(domain, learners=(*parts, spec), served=spec.name)


def _log(domain: Domain, days: float, seed: int) -> Mapping[str, list[Record]]:
    """Predictions and labels of the data set, by stream and in the order of the log."""
    with stack(_PARTITIONS, domain.name) as settings:
        topics.create_topics(settings, domain)
        fill_asked(settings, domain, load(domain.name).replay(days, seed=seed))
        return {stream: list(inspection.read(settings, domain, stream)) for stream in _LOG}


def _turns(
    domain: Domain, spec: LearnerSpec, log: Mapping[str, list[Record]], number: int, seed: int
) -> list[Turn]:
    """The flow, then every bare loop over the examples that it made."""
    examples, said, timed = _flow_turn(domain, spec, log, seed)
    count = len(examples)
    found = [_turn(spec, FLOW, number, count, timed)]
    rows = [dict(zip(domain.vector_names, e["vector"], strict=True)) for e in examples]
    labels = [bool(e["label"]) for e in examples]
    for name in bare.loops(spec, domain, seed):
        alone = _apart(_bare, domain, spec, seed, name, rows, labels)
        away = difference(spec, name, examples, said, alone.said)
        found.append(_turn(spec, name, number, count, alone, away))
    return found


def _turn(
    spec: LearnerSpec, loop: str, number: int, count: int, timed: Timed, away: float = 0.0
) -> Turn:
    return Turn(
        learner=spec.name, loop=loop, round=number, examples=count,
        seconds=timed.seconds, cpu=timed.cpu, difference=away,
    )  # fmt: skip


def _flow_turn(
    domain: Domain, spec: LearnerSpec, log: Mapping[str, list[Record]], seed: int
) -> tuple[list[Record], list[float], Timed]:
    """Examples in their order, what the learner said of each, and how long it took."""
    with stack(_PARTITIONS, domain.name) as plain:
        settings = plain.model_copy(update={"seed": seed, "metrics_port": 0})
        topics.create_topics(settings, domain)
        sender = Sender(settings, domain, registry(settings))
        for stream, name in _LOG.items():
            for record in log[stream]:
                sender.send(stream, name, record, record["id"])
        sender.flush(60.0)
        timed = _apart(_flow, settings, domain)
        examples = list(inspection.read(settings, domain, "examples"))
        scores = [
            score
            for score in inspection.read(settings, domain, "scores")
            if score["learner"] == spec.name
        ]
        models = {model["name"] for model in inspection.read(settings, domain, "models")}
    if [score["id"] for score in scores] != [example["id"] for example in examples]:
        raise WrongScores(f"{spec.name}: {len(scores)} scores of {len(examples)} examples")
    if spec.name not in models:
        raise WrongScores(f"{spec.name}: no snapshot was published; expected at least one")
    return examples, [score["probability"] for score in scores], timed


def difference(
    spec: LearnerSpec,
    loop: str,
    examples: Sequence[Record],
    said: Sequence[float],
    wanted: Sequence[float],
) -> float:
    """The largest difference; raises WrongScores where it is more than rounding makes."""
    away = np.abs(np.array(said) - np.array(wanted))
    if not (away <= TOLERANCE).all():
        first = int(np.flatnonzero(~(away <= TOLERANCE))[0])
        raise WrongScores(
            f"{spec.name}, example {examples[first]['id']}: the flow said {said[first]}, "
            f"{loop} {wanted[first]}"
        )
    return float(away.max())


def _apart(work: Callable[..., Given], *given: Any) -> Given:
    """Does the work in a process of its own, so that no turn finds what another left."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(work, *given).result()


def _flow(settings: Settings, domain: Domain) -> Timed:
    start, cpu = time.perf_counter(), time.process_time()
    run_flow("learning", settings, until_end=True, domain=domain)
    return Timed(time.perf_counter() - start, time.process_time() - cpu, [])


def _bare(
    domain: Domain,
    spec: LearnerSpec,
    seed: int,
    name: str,
    rows: Sequence[bare.Row],
    labels: Sequence[bool],
) -> Timed:
    loop = bare.loops(spec, domain, seed)[name]
    start, cpu = time.perf_counter(), time.process_time()
    said = list(loop(rows, labels))
    return Timed(time.perf_counter() - start, time.process_time() - cpu, said)
