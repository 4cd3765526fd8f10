"""Lines of an evaluation are the measures of their scores, by arm, window and slice."""

from __future__ import annotations

from typing import Any

import pytest

from online_models.evaluation import measure
from online_models.tallies import lines


def test_lines_are_the_measures_of_their_scores_and_copies_count_once() -> None:
    scores: list[dict[str, Any]] = [
        {
            "id": f"e{i}",
            "learner": arm,
            "version": i,
            "time": i * 10,
            "label": float(i % 3 == 0),
            "probability": (i % 7 + 1) / 10,
            "seen": 0.1 if arm == "b" and i % 5 == 0 else 1.0,
        }
        for arm in ("a", "b")
        for i in range(40)
    ]
    slices = {f"e{i}": "kind=even" if i % 2 == 0 else "kind=odd" for i in range(40)}
    found = lines([*scores, *scores[:9]], 200, slices)
    assert [(line.arm, line.window, line.slice) for line in found] == [
        (arm, start, f"kind={kind}")
        for arm in ("a", "b")
        for start in (0, 200)
        for kind in ("even", "odd")
    ]
    mine = [s for s in scores[:20] if int(s["id"][1:]) % 2 == 0]
    wanted = measure([s["label"] for s in mine], [s["probability"] for s in mine])
    assert found[0].measures.examples == 10
    assert found[0].measures.log_loss == pytest.approx(wanted.log_loss)
    assert found[0].measures.roc_auc == pytest.approx(wanted.roc_auc)
    assert found[4].measures.effective == pytest.approx(28**2 / 208)  # two of them weigh 10
    weights = [10.0 if int(s["id"][1:]) % 5 == 0 else 1.0 for s in mine]
    heavy = measure([s["label"] for s in mine], [s["probability"] for s in mine], weights)
    assert found[4].measures.log_loss == pytest.approx(heavy.log_loss)
