"""One page of metrics of several processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from prometheus_client import Gauge

from infra import metrics

SAYS = """
import os, sys
from infra import metrics
queued, version, share = map(float, sys.argv[1:])
metrics.PREDICTIONS_QUEUED.set(queued)
metrics.PREDICTIONS_LOGGED.inc(queued)
metrics.MODEL_VERSION.labels("m").set(version)
metrics.ARM_SHARE.labels("a").set(share)
print(os.getpid())
"""
PAGE = "from infra import metrics; print(metrics.page().decode())"
NAMES = {
    "headrace_predictions_queued": "queued",
    "headrace_predictions_logged_total": "logged",
    'headrace_model_version{model="m"}': "version",
    'headrace_arm_share{arm="a"}': "share",
}


def _python(folder: Path, code: str, *given: object) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", code, *map(str, given)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def _page(folder: Path) -> dict[str, float]:
    samples = re.findall(r"^(headrace_\S+) (\S+)$", _python(folder, PAGE), re.M)
    return {NAMES[name]: float(value) for name, value in samples if name in NAMES}


def test_gauges_are_of_those_that_live_and_counters_of_all(tmp_path: Path) -> None:
    first = int(_python(tmp_path, SAYS, 5, 3, 0.1))
    _python(tmp_path, SAYS, 2, 4, 0.9)
    assert _page(tmp_path) == {"queued": 7, "logged": 7, "version": 3, "share": 0.9}
    metrics.forget(first, str(tmp_path))
    assert _page(tmp_path) == {"queued": 2, "logged": 7, "version": 4, "share": 0.9}


def test_every_gauge_says_what_it_is_of_several_processes() -> None:
    gauges = [each for each in vars(metrics).values() if isinstance(each, Gauge)]
    assert len(gauges) > 10
    assert [each for each in gauges if not each._multiprocess_mode.startswith("live")] == []
