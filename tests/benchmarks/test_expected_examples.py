"""How many examples a replay must come to, against the join itself."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from benchmarks.demo.expected import Expected
from benchmarks.workloads import visits_domain
from schemas.declare import HOUR, Label, Unlabelled
from tests.flows.logs import ask


@pytest.mark.parametrize("missing", list(Unlabelled))
def test_as_many_as_the_join_gives(missing: Unlabelled) -> None:
    domain = replace(visits_domain("visits"), label=Label(HOUR, missing))
    asked, draw = ask(domain, 15_000, seed=7), random.Random(2)
    for prediction in asked.predictions:
        prediction["seen"] = 1.0 if draw.random() < 0.9 else 0.0
    records = [
        *((p["time"], p) for p in asked.predictions),
        *((x["time"], x) for x in asked.labels),
    ]
    outcomes = Expected(domain.label)
    for at, record in sorted(records, key=lambda pair: pair[0]):
        if "vector" in record:
            outcomes.asked(record["id"], at, stopped=record["seen"] == 0.0)
        else:
            outcomes.labelled(record["id"], at)
    assert outcomes.known == len(asked.examples(domain)) > 5_000
