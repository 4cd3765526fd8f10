"""What is refused on the command line before a benchmark begins."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from benchmarks.arguments import day_in
from benchmarks.commands import app
from benchmarks.load import bodies
from schemas.dataset import NoSuchData

FLIGHTS = "expected a day from 2013-01-01 to 2014-01-01, of the data of flights"


@pytest.mark.parametrize("start", ["2012-12-31", "2031-01-01", "soon"])
def test_a_start_out_of_the_data_is_refused_with_the_days_there_are(start: str) -> None:
    asked = ["latency", "--url", "http://127.0.0.1:9/predict", "--domain", "flights"]
    ran = CliRunner().invoke(app, [*asked, "--start", start], env={"COLUMNS": "300"})
    assert ran.exit_code == 2
    assert "Invalid value for '--start':" in ran.output
    assert start in ran.output
    assert FLIGHTS in ran.output


@pytest.mark.parametrize("start", ["2013-01-01", "2013-12-31", "2013-07-01T12:00"])
def test_every_day_of_the_data_may_be_the_start(start: str) -> None:
    assert day_in("flights", start) == start


def test_a_day_after_the_last_request_is_told() -> None:
    with pytest.raises(NoSuchData, match="flights have no request from 2014-01-01 on"):
        bodies.of_domain("flights", count=1, start="2014-01-01")
