"""Freed memory stays with the process, so that arrays of batches need no new pages."""

from __future__ import annotations

import subprocess
import sys

import pytest

MADE = """
import resource
from infra.memory import keep_freed
import numpy as np

if {kept}:
    keep_freed()

def work():
    for _ in range(200):
        arrays = [np.ones(64 * 1024) for _ in range(8)]  # 512 KiB each
        del arrays

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries do as they do")
def test_arrays_that_come_and_go_cost_no_pages() -> None:
    faults = [
        int(subprocess.check_output([sys.executable, "-c", MADE.format(kept=kept)]))
        for kept in (False, True)
    ]
    assert faults[0] > 10_000
    assert faults[1] < 1_000
