"""Requests made from the OpenAPI document, fit and unfit: no 5xx, and all that it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.endpoints import Live


def _attack(live: Live, folder: Path, examples: int, *phases: str) -> None:
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    command += ["run", f"{live.url}/openapi.json", "--checks=all", f"--max-examples={examples}"]
    command += [f"--phases={','.join(phases)}", "--seed=1", "--continue-on-failure"]
    # JSON Schema has no words for the years that a date may have.
    command += ["--exclude-checks=positive_data_acceptance"]
    # A budget that a loaded machine keeps; wrong ones are tried in test_hostile.py.
    command += ["--header", "X-Budget-Ms: 10000"]
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
    assert live.metric('headrace_requests_total{status="500"}') == 0
    assert live.get("/readyz").status == 200


def test_a_few_requests_of_every_kind(live: Live, tmp_path: Path) -> None:
    _attack(live, tmp_path, 20, "examples", "fuzzing")


@pytest.mark.slow
@pytest.mark.timeout(1_000)
def test_many_requests_of_every_kind(live: Live, tmp_path: Path) -> None:
    _attack(live, tmp_path, 3_000, "examples", "coverage", "fuzzing")
