"""Requests made from the OpenAPI document, fit and unfit: no 5xx, and all that it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.endpoints import Live

PATIENT = ("--header", "X-Budget-Ms: 10000")
"""A budget that a loaded machine keeps."""
YEARS = "positive_data_acceptance"
"""Not looked at: JSON Schema has no words for the years that a date may have."""
SHORT_BUDGETS = f"{YEARS},not_a_server_error"
"""Nor that 503 answers a budget that is too short; whether there was a 500 is looked at always."""


def _attack(
    live: Live, folder: Path, examples: int, phases: str, *options: str, unchecked: str = YEARS
) -> None:
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    command += ["run", f"{live.url}/openapi.json", "--checks=all", f"--max-examples={examples}"]
    command += [f"--phases={phases}", "--seed=1", "--continue-on-failure"]
    command += [f"--exclude-checks={unchecked}", *options]
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
    assert live.metric('headrace_requests_total{status="500"}') == 0
    assert live.get("/readyz").status == 200


def test_a_few_requests_of_every_kind(live: Live, tmp_path: Path) -> None:
    _attack(live, tmp_path, 20, "examples,fuzzing", *PATIENT)


def test_every_bound_of_what_is_declared(live: Live, tmp_path: Path) -> None:
    _attack(live, tmp_path, 20, "coverage", unchecked=SHORT_BUDGETS)


@pytest.mark.slow
@pytest.mark.timeout(1_000)
def test_many_requests_of_every_kind(live: Live, tmp_path: Path) -> None:
    _attack(live, tmp_path, 3_000, "fuzzing", *PATIENT)
