"""A flow has one source: two would stand still for each other at the end of every epoch."""

from __future__ import annotations

import pytest

from flows.run import FLOWS
from tests.flows.logs import Log


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_has_one_source(log: Log, name: str) -> None:
    steps = FLOWS[name].make(log.reading(name)).substeps
    assert [type(step).__name__ for step in steps].count("input") == 1
