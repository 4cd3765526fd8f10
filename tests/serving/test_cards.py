"""Model cards and evaluation: what they say of known scores, and where they come from."""

from __future__ import annotations

from typing import Any

import pytest

from infra import inspection
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models import cards
from online_models.evaluation import measure
from online_models.tallies import ALL, Line
from schemas import domains
from serving import evaluation
from serving.cards import NoSuchCard, find
from serving.model_commands import _cells
from tests.serving.endpoints import Live

FLIGHTS = domains.load("flights")


def card(version: int = 1_500, **slices: tuple[int, float]) -> dict[str, Any]:
    def metrics(examples: int, loss: float) -> dict[str, float]:
        return {"examples": examples, "rate": 0.2, "log_loss": loss, "calibration_error": 0.01}

    return {
        "name": "logistic",
        "version": version,
        "time": 86_400_000 * 9,
        "since": 86_400_000,
        "domain": "flights",
        "kind": "logistic",
        "sha256": "ab" * 32,
        "checked": 64,
        "difference": 1e-12,
        "recent": metrics(1_000, 0.5),
        "overall": metrics(version, 0.4),
        "slices": {f"carrier={name}": metrics(*given) for name, given in slices.items()},
    }


def test_the_worst_slice_is_named_and_small_ones_are_not() -> None:
    made = card(UA=(500, 0.41), DL=(400, 0.52), HA=(12, 3.0))
    assert cards.worst(made) == "carrier=DL"
    said = cards.markdown(made, FLIGHTS)
    # its own rate, 0.2, has a log loss of 0.5004
    assert (
        "Worst slice: **carrier=DL**, excess +0.0196 (log loss 0.5200) against -0.1004 overall."
    ) in said
    assert "1 slices have fewer than 100 effective examples" in said
    assert "Not recorded." in said  # a card of before
    assert "It knows 8.0 days" in said
    assert "Its newest examples went worse" in said
    assert "Its newest examples went worse" not in cards.markdown(card(1_000), FLIGHTS)
    for part in ("Intended use", "Data", "Features", "Quality", "Calibration", "Known limits"):
        assert f"## {part}" in said or part == "Quality"
    assert cards.worst(card(HA=(12, 3.0))) is None
    assert cards.document(made, FLIGHTS)["worst_slice"] == "carrier=DL"


def test_a_line_tells_how_much_its_examples_weigh() -> None:
    labels, probabilities = [1.0, 0.0], [0.5, 0.5]
    equal, heavy = (measure(labels, probabilities, [1.0, last]) for last in (1.0, 10.0))
    assert _cells(Line("a", 0, ALL, equal))[3] == "2"
    assert _cells(Line("b", 0, ALL, heavy))[3] == "2 (1 effective)"  # 11² / 101


def test_an_example_from_before_a_slice_was_declared_is_of_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples = [{"id": "old", "slices": {}}, {"id": "new", "slices": {"carrier": "UA"}}]
    scores = [
        {"id": e["id"], "learner": "a", "version": v, "time": 0, "label": 1.0, "probability": 0.5}
        for v, e in enumerate(examples)
    ]
    logged = {"examples": examples, "scores": scores}
    monkeypatch.setattr(inspection, "read", lambda settings, domain, stream: logged[stream])
    found = evaluation.evaluate(Settings(), FLIGHTS, 1_000, "carrier")
    assert [line.slice for line in found] == ["carrier=", "carrier=UA"]


def test_old_versions_keep_their_cards_in_the_log_and_over_http(live: Live) -> None:
    sender = Sender(live.settings, FLIGHTS, registry(live.settings))
    for version in (250, 750, 500):
        sender.send("cards", "card", card(version, UA=(200, 0.4)), f"logistic@{version}")
    sender.flush()
    assert find(live.settings, FLIGHTS, "logistic", None)["version"] == 750
    with pytest.raises(
        NoSuchCard, match="logistic@510 was never published; near it are logistic@500"
    ):
        find(live.settings, FLIGHTS, "logistic", 510)
    with pytest.raises(NoSuchCard, match="did you mean 'logistic'"):
        find(live.settings, FLIGHTS, "logistics", None)
    shown = live.get("/models/logistic/card")
    assert shown.headers["content-type"].startswith("text/markdown")
    assert shown.text == cards.markdown(card(750, UA=(200, 0.4)), FLIGHTS)
    found = live.send(
        "GET", "/models/logistic/card?version=250", None, {"accept": "application/json"}
    )
    assert found.json["version"] == 250
    assert found.json["worst_slice"] == "carrier=UA"
    assert live.get("/models/logistic/card?version=251").status == 404
    assert live.get("/models/nothing/card").status == 404
    for wrong in ("new", "%C2%B2", "9" * 5_000):  # a superscript two is a digit to Python
        assert live.get(f"/models/logistic/card?version={wrong}").status == 400
