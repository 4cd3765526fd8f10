"""The search for the highest rate: how it goes, and when it ends."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from benchmarks import rates, report
from benchmarks.latency import search as search_
from benchmarks.latency.results import Result, Run
from benchmarks.latency.search import search
from tests.benchmarks.test_latency import BODIES, options


@pytest.mark.slow
def test_the_search_finds_a_rate_near_the_capacity_of_a_server(serve: Callable[..., str]) -> None:
    """One request at a time, 2 ms each: 500/s and no more; less what the test's machine takes."""
    asked = options(
        serve("single", 2), rate=250, seconds=2, resolution=0.5, probe_s=(1,), drain_s=3
    )
    found = search(asked, BODIES).search
    assert found is not None
    assert 100 <= found.inside < 500
    assert found.outside is not None
    assert found.inside < found.outside <= 500 * 1.5
    assert found.inside in [probe.rate for probe in found.probes if probe.confirming]


def test_a_search_that_finds_nothing_says_so(serve: Callable[..., str]) -> None:
    asked = options(serve("constant", 80), rate=400, seconds=1, probe_s=(0.1,), warmup_s=0.0)
    result = search(asked, BODIES, halvings=1)
    assert result.search is not None
    assert [probe.rate for probe in result.search.probes] == [400, 200]
    assert result.search.inside == 0
    assert not result.failures
    assert result.runs == []
    assert "none" in result.headline
    assert "gave up" not in result.headline


@pytest.mark.parametrize(("kind", "ended"), [("shedding", "shed"), ("hanging", "lost")])
def test_a_search_gives_up_soon_on_a_server_that_answers_nothing(
    serve: Callable[..., str], kind: str, ended: str
) -> None:
    asked = options(serve(kind), rate=200, seconds=1, warmup_s=0.0, drain_s=0.2)
    result = search(asked, BODIES)
    assert result.search is not None
    assert [(probe.rate, probe.requests) for probe in result.search.probes] == [
        (200, 100), (100, 50), (50, 25),
    ]  # fmt: skip
    assert "gave up: no right answer at 200/s, 100/s, 50/s; at the last, " in result.headline
    assert result.headline.endswith(f" {ended}.")


Server = Callable[[float, bool], bool]
"""Whether it keeps the budget at a rate, in a confirming run or in a short probe."""


@pytest.fixture
def hunt(summarised: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A search in which the server is a function: no request is sent and nothing is waited for."""
    runs = {good: summarised(np.full(1000, 5.0 if good else 80.0)) for good in (True, False)}

    def make(server: Server, **more: Any) -> Result:
        given = options("http://127.0.0.1:9/predict", **more)

        def one_run(*told: Any) -> Run:
            rate, looks = told[2], told[4]
            confirming = looks[-1].requests == max(search_.FEWEST, round(rate * given.seconds))
            return msgspec.structs.replace(runs[server(rate, confirming)], rate=rate)

        monkeypatch.setattr(search_, "one_run", one_run)
        monkeypatch.setattr(search_, "_REST_S", 0.0)
        return search(given, BODIES)

    return make


def confirmings(result: Result) -> list[float]:
    assert result.search is not None
    return [probe.rate for probe in result.search.probes if probe.confirming]


def test_a_server_that_pauses_at_any_rate_is_not_confirmed_for_hours(
    hunt: Callable[..., Result],
) -> None:
    result = hunt(lambda rate, confirming: rate < 1000 and not confirming, rate=400, seconds=60)
    tried = confirmings(result)
    assert len(tried) == search_.CONFIRMINGS
    assert np.array(tried[:-1]) / tried[1:] == pytest.approx([1.05, 1.1, 1.2, 1.4, 1.8, 2, 2])
    assert result.search is not None
    assert result.search.inside == 0
    assert result.runs == []
    assert "gave up: 8 runs of 60 s from 993/s down to 71.1/s confirmed no rate" in result.headline


@pytest.mark.parametrize("holds", [960, 900, 780, 500, 75])
def test_a_rate_far_below_is_confirmed_in_few_runs_and_the_gap_narrowed(
    hunt: Callable[..., Result], holds: float
) -> None:
    result = hunt(lambda rate, long: rate < (holds if long else 1000), rate=400, seconds=60)
    found = result.search
    assert found is not None
    assert found.inside == result.runs[0].rate
    assert found.inside < holds <= (found.outside or 0)
    assert len(confirmings(result)) <= search_.CONFIRMINGS
    if holds > 600:
        assert (found.outside or 0) / found.inside <= 1.05 * (1 + 1e-9)


def test_a_search_that_confirms_at_once_asks_no_more(hunt: Callable[..., Result]) -> None:
    result = hunt(lambda rate, _: rate < 1000, rate=400, seconds=60)
    assert result.search is not None
    assert confirmings(result) == [result.search.inside]


def test_a_rate_below_one_is_found_and_told(hunt: Callable[..., Result]) -> None:
    result = hunt(lambda rate, _: rate < 0.9, rate=0.5, seconds=60)
    assert result.search is not None
    assert confirmings(result) == [result.search.inside]
    assert "at 0.878 requests/s" in result.headline
    assert result.headline.endswith("inside the budget: 0.878/s.")
    assert "0.878/s" in report.probe_line(result.search.probes[-1]).plain
    console = Console(file=StringIO(), width=200)
    console.print(report.told(result))
    assert isinstance(console.file, StringIO)
    assert "0.878 requests/s for" in console.file.getvalue()


@pytest.mark.parametrize(
    ("rate", "told"),
    [(0.4567, "0.457"), (4.27, "4.27"), (20.0, "20"), (99.96, "100"), (1234.5, "1,234")],
)
def test_small_rates_are_told_with_three_digits(rate: float, told: str) -> None:
    assert rates.shown(rate) == told
