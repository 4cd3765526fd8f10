"""Runs a flow by name: its recovery store, its metrics, and its end on a signal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from signal import Signals
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bytewax._bytewax import cli_main
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir

from flows import drift, features, learning, routing, sampling
from flows.reading import BATCH, IDLE, PATIENT_IDLE, Reading
from infra import garbage, metrics, signals, stack_file, topics
from infra.registry import registry
from infra.settings import RECOVERY, Settings, domain_of
from online_models.learners import make_all
from schemas import nearest
from schemas.declare import Domain

EPOCH, LONG_EPOCH = timedelta(seconds=2), timedelta(seconds=10)
"""Time between two snapshots: what is read twice after a crash. Those of learners, samples and
routes are large; the features flow's state is in Redis and its snapshots are not."""


class Flow(NamedTuple):
    """How a flow is made and run: `batch` and `rest` as in `Reading`, a snapshot every `epoch`."""

    make: Callable[[Reading], Dataflow]
    batch: int = BATCH
    epoch: timedelta = LONG_EPOCH
    rest: timedelta = PATIENT_IDLE


FLOWS: Mapping[str, Flow] = {
    "features": Flow(features.flow, features.BATCH, EPOCH, IDLE),
    "learning": Flow(learning.flow),
    "sampling": Flow(sampling.flow),
    "routing": Flow(routing.flow),
    "drift": Flow(drift.flow),
}
RECOVERY_PARTITIONS = 4
"""Files of a recovery store; more workers than this share them."""

Place = tuple[int, Sequence[str]]
"""This process's index, and the addresses of all processes of a cluster."""

log = logging.getLogger(__name__)


class UnknownFlow(ValueError):
    """There is no flow of that name."""


def run(
    name: str,
    settings: Settings,
    workers: int = 1,
    process: Place | None = None,
    until_end: bool = False,
    recovery: bool = True,
    domain: Domain | None = None,
    epoch: timedelta | None = None,
    batch: int | None = None,
) -> None:
    """Runs a flow until SIGINT or SIGTERM, or with `until_end` until it has read all of the log.

    `process` places it in a cluster of processes. Without `recovery` it starts from the log's
    beginning, or where its view stands. Raises UnknownFlow, DeclarationError, LogError,
    StoreError and whatever else stopped it.
    """
    if name not in FLOWS:
        near = nearest.hint(name, FLOWS)
        raise UnknownFlow(f"no flow {name!r}; there are {', '.join(FLOWS)}{near}")
    domain = domain or domain_of(settings)
    make_all(domain)
    topics.check(settings, domain)  # told here, it needs no traceback
    flow = FLOWS[name]
    most = batch or flow.batch
    index, addresses = process if process else (None, None)
    all_workers = workers * len(addresses or [None])
    known = registry(settings)
    reading = Reading(settings, domain, known, name, until_end, most, flow.rest, all_workers)
    dataflow = flow.make(reading)
    config = RecoveryConfig(str(_store(settings, domain, name))) if recovery else None
    port = metrics.serve_metrics(settings.metrics_port)
    stack_file.take_place(settings, name, f"http://127.0.0.1:{port}/metrics")
    log.info("flow %s of %s, metrics on port %d", name, domain.name, port)
    with _ending(reading), garbage.seldom_collected():
        cli_main(  # type: ignore[no-untyped-call]
            dataflow,
            workers_per_process=workers,
            process_id=index,
            addresses=list(addresses) if addresses else None,
            epoch_interval=epoch or flow.epoch,
            recovery_config=config,
        )


def store_path(settings: Settings, domain: Domain, name: str) -> Path:
    """The folder of a flow's recovery store."""
    return settings.home / RECOVERY / f"{domain.name}-{settings.generation}-{name}"


def _store(settings: Settings, domain: Domain, name: str) -> Path:
    path = store_path(settings, domain, name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as made:  # whole or not at all
            init_db_dir(made, RECOVERY_PARTITIONS)
            try:
                Path(made).rename(path)
            except OSError:
                if not path.exists():  # made at the same moment by another process of the cluster
                    raise
            else:
                Path(made).mkdir()
    return path


def _ending(reading: Reading) -> AbstractContextManager[None]:
    """SIGINT and SIGTERM end the sources, so that all that was read is finished and snapshotted."""

    def ask(signal: Signals) -> None:
        log.info("%s: ending", signal.name)
        reading.stop.ask()

    return signals.taken(ask)
