"""A demo that would ask nothing is refused, and told how many days would ask something."""

from __future__ import annotations

import re

import pytest

from benchmarks.demo.questions import with_questions
from schemas.dataset import NoSuchData, load


@pytest.mark.parametrize(
    ("name", "start"), [("flights", None), ("flights", "2013-07-01"), ("payments", None)]
)
def test_the_days_that_are_told_ask_something(name: str, start: str | None) -> None:
    data = load(name)
    with pytest.raises(NoSuchData, match=r"^1e-07 days from 1970.* no question") as refused:
        with_questions(data, 0, 1e-7, start, 1, ())
    [enough] = re.findall(r"; (\S+) days have some$", str(refused.value))
    items = list(with_questions(data, 0, float(enough), start, 1, ()))
    assert items == list(data.replay(float(enough), start, 1))
    assert {item.stream for item in items} >= {"events", "requests"}
    with pytest.raises(NoSuchData, match=rf"; {enough} days have some$"):
        with_questions(data, 0, float(enough) / 2.6, start, 1, ())
