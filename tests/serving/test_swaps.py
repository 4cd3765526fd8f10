"""Models change under a running endpoint: under load nobody waits, and what is unfit stays out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from schemas import domains
from tests.serving.endpoints import Live, Load, question, running, until

DOMAIN = domains.load("flights")
WIDTH = len(DOMAIN.vector_names)
Snapshot = Callable[..., dict[str, Any]]
Graph = Callable[..., bytes]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An endpoint without flows: its models are what the tests publish."""
    with running(tmp_path_factory.mktemp("swaps")) as made:
        yield made


def _version(live: Live) -> int:
    told = {each["name"]: each["version"] for each in live.get("/models").json["models"]}
    return int(told.get(DOMAIN.served, 0))


def _swapped(live: Live, snapshot: Snapshot) -> int:
    """Publishes the next version and waits until it answers."""
    version = _version(live) + 1
    live.publish(snapshot(DOMAIN, DOMAIN.served, version))
    until(lambda: _version(live) == version)
    return version


def test_first_snapshot_takes_over_from_the_base_rate(
    served: Live, snapshot: Snapshot, telling: Callable[[int], float]
) -> None:
    assert served.predict(question()).json["model"] == "base-rate"
    version = _swapped(served, snapshot)
    answer = served.predict(question()).json
    assert (answer["model"], answer["version"], answer["degraded"]) == (DOMAIN.served, version, [])
    assert answer["probability"] == telling(version)
    assert served.get("/readyz").json["serving"] == f"{DOMAIN.served}@{version}"


def test_under_load_no_request_fails_or_waits_for_a_swap(
    served: Live, snapshot: Snapshot, telling: Callable[[int], float]
) -> None:
    first = _swapped(served, snapshot)
    load = Load(served, "swapped")
    with load.on(4):
        for _ in range(8):
            _swapped(served, snapshot)
        until(lambda: load.answers[-1]["version"] == first + 8)
    assert (load.refused, load.broken) == ([], 0)
    assert {each["version"] for each in load.answers} >= {first, first + 8}
    for answer in load.answers:
        assert answer["probability"] == telling(answer["version"])
        assert answer["degraded"] == []
    for client in range(4):
        mine = [a["version"] for a in load.answers if a["id"].startswith(f"swapped-{client}-")]
        assert all(earlier <= later for earlier, later in pairwise(mine))


def test_while_its_model_is_stuck_a_request_is_answered_by_the_base_rate(
    served: Live, snapshot: Snapshot, turning_graph: Callable[[int], bytes]
) -> None:
    version = _version(served) + 1
    served.publish(snapshot(DOMAIN, DOMAIN.served, version, turning_graph(WIDTH)))
    until(lambda: _version(served) == version)
    stuck = served.predict(question(distance=1e9))
    assert stuck.status == 200, stuck.text
    assert stuck.json["model"] == "base-rate"
    assert "model:base-rate" in stuck.json["degraded"]
    late = served.predict(question(id="late", distance=1e9), x_budget_ms="1")
    assert (late.status, "its whole budget" in late.json["error"]) == (503, True)
    assert "late" not in served.predictions()
    assert served.predict(question()).json["version"] == version
    _swapped(served, snapshot)


@pytest.mark.parametrize(
    ("reason", "graph", "changes"),
    [
        ("sha256", None, {"sha256": "0" * 64}),
        ("graph", lambda make: make(WIDTH, 0.5)[:-40], {}),
        ("domain", None, {"domain": "payments"}),
        ("inputs", None, {"inputs": list(DOMAIN.vector_names[:-1])}),
        ("width", lambda make: make(WIDTH + 1, 0.5), {}),
        ("output", lambda make: make(WIDTH, float("nan")), {}),
        ("output", lambda make: make(WIDTH, 1.5), {}),
    ],
)
def test_unfit_snapshot_is_refused_with_a_log_line_and_a_metric(
    served: Live,
    snapshot: Snapshot,
    constant: Graph,
    reason: str,
    graph: Callable[[Graph], bytes] | None,
    changes: dict[str, Any],
) -> None:
    before = _swapped(served, snapshot)
    sample = f'headrace_snapshots_refused_total{{reason="{reason}"}}'
    refused, lines = served.metric(sample), served.log.count("refused")
    made = None if graph is None else graph(constant)
    served.publish(snapshot(DOMAIN, DOMAIN.served, before + 1, made, **changes))
    until(lambda: served.metric(sample) == refused + 1)
    answer = served.predict(question()).json
    assert (answer["model"], answer["version"]) == (DOMAIN.served, before)
    assert served.log.count("refused") == lines + 1
    last = [line for line in served.log.splitlines() if "refused" in line][-1]
    assert f"snapshot of {DOMAIN.served} refused" in last
    assert f"{reason}:" in last


def test_a_learner_that_is_not_served_changes_no_answer(served: Live, snapshot: Snapshot) -> None:
    version = _swapped(served, snapshot)
    served.publish(snapshot(DOMAIN, "tree", 77))
    until(lambda: len(served.get("/models").json["models"]) >= 3)
    assert served.predict(question()).json["version"] == version
