"""What the overload of chaos is three times of."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults import run
from benchmarks.faults.compare import compare
from benchmarks.faults.highest import Highest, Origin
from benchmarks.latency import results
from benchmarks.latency.results import Found
from benchmarks.latency.results import Options as LatencyOptions
from benchmarks.storing import load, save
from tests.benchmarks.test_chaos import made, phase, shown


@pytest.mark.parametrize(
    ("given", "inside", "told"),
    [
        (700.0, 0.0, "700/s, given by --highest"),
        (0.0, 900.0, "900/s, the highest that a search found"),
        (0.0, 0.0, "4.5/s, --rate, since a search found none inside the budget (why)"),
    ],
)
def test_where_the_highest_rate_came_from_is_printed_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: float, inside: float, told: str
) -> None:
    found = Found(
        inside=inside, outside=None, limited_by_generator=False, probes=[],
        reason="" if inside else "why",
    )  # fmt: skip
    searched = results.make(LatencyOptions(), [], None, found)
    monkeypatch.setattr("benchmarks.latency.search.search", lambda *_, **__: searched)
    options = run.Options(rate=4.5, highest=given)
    result = made(phase(), highest=run._highest("http://x/", [b"{id}"], options))
    assert f"three times {told}" in shown(result)
    save(result, tmp_path / "chaos.json")
    assert load(tmp_path / "chaos.json", run.Chaos) == result
    other = Highest(rate=800.0, origin=Origin.GIVEN)
    unlike = compare(made(phase(), highest=other), result).unlike
    assert any(told in line for line in unlike) is (not given)
