"""The demo's report compares like with like, and says what is missing and what is hidden."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks.demo.expected import Expected
from benchmarks.demo.following import SERVED
from benchmarks.demo.outcome import HIDDEN, Latency, Outcome, Quality, _Rows, common, gather
from benchmarks.demo.replay import Replayed, happens
from benchmarks.demo.report import markdown
from infra import inspection
from infra.settings import Settings
from schemas.dataset import Stamped
from schemas.declare import DAY
from schemas.domains import load

PAYMENTS = load("payments")


def _ids(number: int) -> set[str]:
    return {f"p{i}" for i in range(number)}


def test_lines_are_compared_on_what_all_have_scored() -> None:
    shared, lacking = common({SERVED: _ids(100), "quick": _ids(100), "slow": _ids(60)})
    assert shared == _ids(60)
    assert lacking == {SERVED: 0, "quick": 0, "slow": 40}


def test_an_arm_far_behind_the_first_does_not_shorten_the_others() -> None:
    shared, lacking = common({SERVED: _ids(100), "quick": _ids(90), "stuck": _ids(2)})
    assert shared == _ids(90)
    assert lacking == {SERVED: 0, "quick": 10, "stuck": 98}
    shared, _ = common({SERVED: _ids(100), "one": _ids(40), "other": _ids(30)})
    assert shared == _ids(30)
    assert common({SERVED: set(), "quick": set()}) == (set(), {SERVED: 0, "quick": 0})


def _outcome(**changes: Any) -> Outcome:
    quality = Quality(60, 0.1, 0.7, 0.3)
    lines = {SERVED: quality, "tree": quality}
    found = Outcome(
        domain="payments",
        title="Payments",
        positive="is fraud",
        first=0,
        last=1,
        seconds=1.0,
        counts={"events": 9, "predictions": 100, HIDDEN: 1_234, "examples": 100},
        periods={"whole run": lines},
        months={},
        timeline=[],
        latency=Latency(50.0, {}, np.nan, np.nan),
        versions=[],
        dead_letters={},
        degraded={},
        shed=0,
        unscored={SERVED: 0, "tree": 40, "stack": 98},
    )
    return msgspec.structs.replace(found, **changes)


def test_the_report_says_when_each_line_spoke_what_is_unscored_and_what_is_hidden() -> None:
    told = markdown(_outcome())
    assert "|served|when asked|60|" in told
    assert "|tree|when the label came|60|" in told
    assert "|stopped, outcome hidden|1,234|" in told
    assert "|tree|40||" in told
    assert "|stack|98|too few scored to be compared|" in told
    assert "Not yet scored" not in markdown(_outcome(unscored={SERVED: 0, "tree": 0}))


def test_of_what_was_stopped_comes_neither_chargeback_nor_label() -> None:
    stopped = {"p1"}
    for id_, comes in (("p1", False), ("p2", True)):
        label = Stamped(0, "labels", "label", {"id": id_})
        back = Stamped(0, "events", "chargeback", {"payment": id_})
        booked = Stamped(0, "events", "payment", {"payment": id_})
        assert happens(label, PAYMENTS, stopped) is comes
        assert happens(back, PAYMENTS, stopped) is comes
        assert happens(booked, PAYMENTS, stopped)


def test_where_silence_is_an_answer_the_last_deadline_is_left_out() -> None:
    """Of its questions only those have an example that somebody complained of."""
    rows, deadline = _Rows(), PAYMENTS.label.deadline
    for day in range(60):
        record = {"id": f"p{day}", "asked": day * DAY, "time": day * DAY + deadline}
        rows.add({**record, "probability": 0.1, "label": 0.0})
    rows.add({"id": "new", "asked": 80 * DAY, "time": 81 * DAY, "probability": 0.1, "label": 1.0})
    assert rows.settled(PAYMENTS.label) == {f"p{day}" for day in range(60)}
    assert rows.settled(load("flights").label) == rows.ids.keys()


def test_a_run_without_examples_says_so_and_when_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "read", lambda *_: iter(()))
    span = (1_704_067_200_000, 1_704_326_400_000)
    told = markdown(gather(Settings(), PAYMENTS, Replayed(Expected(PAYMENTS.label)), 1.0, span))
    assert "From 2024-01-01 00:00:00Z to 2024-01-04 00:00:00Z." in told
    assert "too few examples for a ROC AUC" in told
    assert "|served|when asked|0|–|–|–|" in told
    assert "nan%" not in told
