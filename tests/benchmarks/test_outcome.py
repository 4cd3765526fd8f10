"""The demo's figures weigh what decisions let through, as evaluation does."""

from __future__ import annotations

import pytest

from benchmarks.demo.outcome import _Rows
from online_models.evaluation import measure


def test_quality_weighs_examples_by_how_likely_they_were_seen() -> None:
    labels, probabilities = [0.0, 1.0, 0.0, 1.0, 0.0] * 20, [0.1, 0.3, 0.4, 0.8, 0.9] * 20
    seen = [1.0, 1.0, 1.0, 0.1, 0.1] * 20
    rows = _Rows()
    for time, each in enumerate(zip(labels, probabilities, seen, strict=True)):
        told = dict(zip(("label", "probability", "seen"), each, strict=True))
        rows.add({"id": f"p{time}", "asked": time, "time": time, **told})
    outside = {"id": "p100", "asked": 100, "time": 100}
    rows.add({**outside, "label": 1.0, "probability": 0.0})
    found = rows.line(rows.ids.keys()).within(0, 100)
    wanted = measure(labels, probabilities, [1.0 / each for each in seen])
    assert found.examples == 100
    assert found.positives == pytest.approx(wanted.rate)
    assert (found.auc, found.log_loss) == pytest.approx((wanted.roc_auc, wanted.log_loss))
    assert found.auc != pytest.approx(measure(labels, probabilities).roc_auc)
