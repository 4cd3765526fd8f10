"""The join of predictions and labels: outcomes depend on times and order in the log only."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from online_models.joining import JoinState
from online_models.provisional import ProvisionalLabel
from schemas.declare import Label, Unlabelled

DEADLINE = 100
DROP = Label(DEADLINE, Unlabelled.DROP)
NEGATIVE = Label(DEADLINE, Unlabelled.NEGATIVE)


def prediction(id_: str, time: int, probability: float = 0.5) -> dict[str, Any]:
    return {
        "id": id_,
        "time": time,
        "vector": [1.0, float(time)],
        "probability": probability,
        "model": "logistic",
        "version": 3,
        "arm": "a",
        "propensity": 1.0,
        "policy": "fixed@1",
        "degraded": [],
        "positions": [],
        "slices": {"carrier": "UA"},
    }


def label(id_: str, time: int, value: float = 1.0) -> dict[str, Any]:
    return {"id": id_, "time": time, "value": value}


def run(state: JoinState, records: list[dict[str, Any]]) -> list[tuple[str, int, float, str]]:
    out = []
    for record in records:
        done = state.prediction(record) if "vector" in record else state.label(record)
        out += [(e["id"], e["time"], e["label"], e["origin"]) for e in done]
    return out


def test_either_side_may_come_first() -> None:
    state = JoinState(DROP)
    records = [prediction("a", 10), label("a", 20), label("b", 30, 0.0), prediction("b", 25)]
    assert run(state, records) == [("a", 20, 1.0, "label"), ("b", 30, 0.0, "label")]
    assert state.counts.joined == 2
    assert (state.pending_predictions, state.pending_labels) == (0, 0)


def test_an_example_carries_what_was_served() -> None:
    (example,) = JoinState(DROP).prediction(prediction("a", 10)) or [{}]
    assert example == {}
    state = JoinState(DROP)
    state.prediction(prediction("a", 10, probability=0.25))
    (example,) = state.label(label("a", 20))
    assert example == {
        "id": "a",
        "time": 20,
        "asked": 10,
        "vector": [1.0, 10.0],
        "label": 1.0,
        "origin": "label",
        "probability": 0.25,
        "model": "logistic",
        "version": 3,
        "arm": "a",
        "propensity": 1.0,
        "policy": "fixed@1",
        "slices": {"carrier": "UA"},
        "unit": "",
        "seen": 1.0,
        "provisional": [],
        "corrections": [],
    }


def provisional(id_: str, time: int, value: float = 1.0) -> ProvisionalLabel:
    return ProvisionalLabel(id_, time, "f", value, 0.3)


def test_a_provisional_label_goes_with_the_next_example_of_another() -> None:
    state = JoinState(DROP)
    run(state, [prediction("a", 10), prediction("b", 11), prediction("c", 12)])
    state.provisional(provisional("a", 20))
    state.provisional(provisional("a", 21, 0.0))  # the first counts
    state.provisional(provisional("b", 22))
    (first,) = state.label(label("b", 30))
    assert first["provisional"] == [{**provisional("a", 20)._asdict(), "vector": [1.0, 10.0]}]
    (second,) = state.label(label("a", 31))
    assert second["provisional"] == []


def test_only_a_prediction_that_waits_gets_a_provisional_label() -> None:
    state = JoinState(DROP)
    state.provisional(provisional("late", 5))
    run(state, [prediction("late", 1), prediction("a", 10), prediction("b", 10), label("b", 20)])
    for given in (
        provisional("b", 21),
        provisional("nobody", 22),
        provisional("a", 10 + DEADLINE + 1),
    ):
        state.provisional(given)
    assert state.watermark == 20
    (example,) = state.label(label("a", 110))
    assert example["provisional"] == []


def test_neither_silence_nor_a_label_tells_of_a_hidden_outcome() -> None:
    state = JoinState(NEGATIVE)
    hidden = {**prediction("a", 10), "seen": 0.0}
    shown = {**prediction("b", 10), "seen": 0.25}
    assert run(state, [hidden, shown, label("a", 20), label("z", 500)]) == [
        ("b", 110, 0.0, "deadline")
    ]
    assert (state.counts.hidden, state.counts.duplicates, state.pending_predictions) == (1, 1, 0)


def test_second_copies_are_ignored_until_the_deadline() -> None:
    state = JoinState(DROP)
    records = [
        prediction("a", 10, 0.1),
        prediction("a", 11, 0.9),
        label("a", 20),
        label("a", 21),
        prediction("a", 10),
    ]
    assert run(state, records) == [("a", 20, 1.0, "label")]
    assert (state.counts.duplicates, state.counts.corrected) == (3, 0)


def corrections(state: JoinState, records: list[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """Those that the examples bring along, the last of them for a question of the end."""
    out = []
    for record in [*records, prediction("end", 900), label("end", 901)]:
        done = state.prediction(record) if "vector" in record else state.label(record)
        out += [(t["id"], t["time"], t["label"]) for e in done for t in e["corrections"]]
    return out


def test_a_newer_label_of_another_value_corrects_and_goes_with_the_next_example() -> None:
    state = JoinState(DROP)
    assert run(state, [prediction("a", 10), label("a", 20), label("a", 25, 0.0)]) == [
        ("a", 20, 1.0, "label")
    ]
    assert state.counts.corrected == 1
    run(state, [prediction("b", 30)])
    (example,) = state.label(label("b", 40))
    assert example["corrections"] == [{"id": "a", "time": 25, "label": 0.0}]
    run(state, [prediction("c", 41)])
    (example,) = state.label(label("c", 42))
    assert example["corrections"] == []


@pytest.mark.parametrize(
    "ignored",
    [
        label("a", 30, 0.0),  # older than the label that counts
        label("a", 50),  # says the same
        label("a", 10 + DEADLINE + 1, 0.0),  # after the deadline
    ],
)
def test_what_corrects_nothing(ignored: dict[str, Any]) -> None:
    records = [prediction("a", 10), label("a", 40), ignored]
    assert corrections(JoinState(DROP), records) == []


def test_the_newest_value_holds_in_whatever_order_labels_come() -> None:
    told = [label("a", 20), label("a", 30, 0.0), label("a", 40), label("a", 50, 0.0)]
    for seed in range(24):
        shuffled = random.Random(seed).sample(told, len(told))
        first = JoinState(DROP)
        done = [("a", e[1], e[2]) for e in run(first, [prediction("a", 10), *shuffled])]
        assert max([*done, *corrections(first, [])])[2] == 0.0
        last = JoinState(DROP)
        done = [("a", e[1], e[2]) for e in run(last, [*shuffled, prediction("a", 10)])]
        assert max([*done, *corrections(last, [])])[2] == 0.0


def test_a_label_late_on_its_way_takes_the_place_of_silence() -> None:
    state = JoinState(NEGATIVE)
    records = [prediction("a", 10), prediction("z", 120), label("a", 105), label("a", 111)]
    assert run(state, records) == [("a", 110, 0.0, "deadline")]
    assert (state.counts.corrected, state.counts.late) == (1, 1)
    assert corrections(state, []) == [("a", 105, 1.0)]


def test_nothing_corrects_a_hidden_outcome_or_one_that_made_no_example() -> None:
    hidden = {**prediction("a", 10), "seen": 0.0}
    for records in (
        [hidden, label("a", 20)],
        [prediction("a", 10), label("z", 200), label("a", 50)],
    ):
        assert corrections(JoinState(DROP), records) == []


def test_where_silence_is_an_answer_the_first_labels_wait_for_it() -> None:
    """Else the first examples, for a whole deadline, would be those that somebody complained of."""
    state = JoinState(NEGATIVE)
    early = [prediction("a", 10), prediction("b", 20), label("b", 40), label("b", 50, 0.0)]
    assert run(state, early) == []
    assert state.pending_predictions == 2
    later = [prediction("c", 60), label("c", 115), label("z", 125)]
    assert run(state, later) == [
        ("a", 110, 0.0, "deadline"),
        ("c", 115, 1.0, "label"),
        ("b", 120, 0.0, "label"),
    ]
    assert (state.counts.joined, state.counts.expired, state.counts.duplicates) == (2, 1, 1)
    assert run(JoinState(DROP), early) == [("b", 40, 1.0, "label")]


def test_first_prediction_of_an_id_wins() -> None:
    state = JoinState(DROP)
    state.prediction(prediction("a", 10, 0.1))
    state.prediction(prediction("a", 12, 0.9))
    (example,) = state.label(label("a", 20))
    assert (example["probability"], example["asked"]) == (0.1, 10)


@pytest.mark.parametrize(
    ("declared", "late"), [(DROP, []), (NEGATIVE, [("a", 110, 0.0, "deadline")])]
)
def test_no_label_by_the_deadline(declared: Label, late: list[Any]) -> None:
    state = JoinState(declared)
    assert run(state, [prediction("a", 10), label("z", 110)]) == []
    assert run(state, [label("y", 111)]) == late
    assert state.counts.expired == 1
    assert state.pending_predictions == 0


def test_a_label_at_the_deadline_counts_and_one_after_it_does_not() -> None:
    state = JoinState(DROP)
    assert run(state, [prediction("a", 10), label("a", 110)]) == [("a", 110, 1.0, "label")]
    early = run(JoinState(NEGATIVE), [label("a", 111), prediction("a", 10), label("z", 112)])
    late = run(JoinState(NEGATIVE), [prediction("a", 10), label("a", 111), label("z", 112)])
    assert early == late == [("a", 110, 0.0, "deadline")]


def test_of_two_labels_that_wait_the_earlier_counts() -> None:
    for order in ([label("a", 30, 0.0), label("a", 40)], [label("a", 40), label("a", 30, 0.0)]):
        assert run(JoinState(DROP), [*order, prediction("a", 20)]) == [("a", 30, 0.0, "label")]


def test_expiries_come_out_by_deadline_then_id() -> None:
    state = JoinState(NEGATIVE)
    run(state, [prediction("c", 12), prediction("b", 11), prediction("a", 12)])
    assert [row[0] for row in run(state, [label("z", 500)])] == ["b", "a", "c"]


def test_nothing_is_pending_forever() -> None:
    draw = random.Random(3)
    state = JoinState(DROP)
    run(state, [r for t in range(2_000) for r in _random_records(draw, t)])
    held = len(state._predictions) + len(state._labels) + len(state._expiries)
    assert held < 12 * DEADLINE  # a tick brings three records, kept for two deadlines at most
    state.advance(10_000)
    assert (state.pending_predictions, state.pending_labels) == (0, 0)
    assert not state._predictions
    assert not state._expiries
    assert not state._forgets
    assert not state._orphanings


def _random_records(draw: random.Random, time: int) -> list[dict[str, Any]]:
    id_ = str(draw.randrange(time + 1))
    return [prediction(str(time), time), label(id_, time), label(f"nobody-{time}", time)]


@pytest.mark.parametrize("declared", [DROP, NEGATIVE])
def test_outcome_equals_the_definition_whatever_the_order_of_arrival(declared: Label) -> None:
    """Predictions logged late by less than the deadline, and second copies, change nothing."""
    draw = random.Random(11)
    for _ in range(60):
        asked = {"0": 0} | {str(i): draw.randrange(2_000) for i in range(1, 80)}
        told = {
            i: t + draw.randrange(1, 2 * DEADLINE) for i, t in asked.items() if draw.random() < 0.8
        }
        arrivals = [
            (t and t + draw.uniform(0, 0.9 * DEADLINE), prediction(i, t)) for i, t in asked.items()
        ]
        arrivals += [(t, label(i, t)) for i, t in told.items()]
        arrivals += [(t, label(i, t)) for i, t in told.items() if draw.random() < 0.2]
        arrivals += [(t + 50, prediction(i, t)) for i, t in asked.items() if draw.random() < 0.2]
        ordered = [r for _, r in sorted(arrivals, key=lambda a: (a[0], draw.random()))]
        state = JoinState(declared)
        got = set(run(state, ordered))
        got |= {(e["id"], e["time"], e["label"], e["origin"]) for e in state.advance(9_999)}
        assert got == _definition(declared, asked, told)


def _definition(declared: Label, asked: dict[str, int], told: dict[str, int]) -> set[Any]:
    out: set[Any] = set()
    for id_, time in asked.items():
        deadline, silent = time + declared.deadline, declared.missing is Unlabelled.NEGATIVE
        if id_ in told and told[id_] <= deadline:
            early = silent and told[id_] < min(asked.values()) + declared.deadline
            out.add((id_, deadline if early else told[id_], 1.0, "label"))
        elif silent:
            out.add((id_, deadline, 0.0, "deadline"))
    return out


def test_resumes_from_a_pickle_as_if_nothing_had_happened() -> None:
    draw = random.Random(5)
    records = [r for t in range(600) for r in _random_records(draw, t)]
    whole, broken = JoinState(NEGATIVE), JoinState(NEGATIVE)
    expected = run(whole, records)
    got = []
    for start in range(0, len(records), 177):
        broken = pickle.loads(pickle.dumps(broken))
        got += run(broken, records[start : start + 177])
    assert got == expected
    assert broken.counts == whole.counts
