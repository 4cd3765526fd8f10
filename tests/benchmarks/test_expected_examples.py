"""How many examples a replay must come to, against the join itself."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from benchmarks.demo.replay import Replayed
from benchmarks.workloads import visits_domain
from schemas.declare import HOUR, Label, Unlabelled
from tests.flows.logs import ask


@pytest.mark.parametrize("missing", list(Unlabelled))
def test_as_many_as_the_join_gives(missing: Unlabelled) -> None:
    domain = replace(visits_domain("visits"), label=Label(HOUR, missing))
    asked = ask(domain, 5_000, seed=random.Random(2).randrange(99))
    done = Replayed(
        questioned={p["id"]: p["time"] for p in asked.predictions},
        labelled={label["id"]: label["time"] for label in asked.labels},
    )
    assert done.expected_examples(domain.label) == len(asked.examples(domain)) > 1_000
