"""Model cards: what a snapshot is for, what it learned from, how good it is, where it is worst.

After Mitchell et al., *Model Cards for Model Reporting* (2019). All figures are prequential: of
each example before the learner learned from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.declare import DAY, Domain, Unlabelled

FEWEST = 100
"""Examples below which a slice is too small to be named the worst."""

MEASURES = (
    "examples",
    "rate",
    "log_loss",
    "brier",
    "roc_auc",
    "average_precision",
    "calibration_error",
)
Metrics = Mapping[str, float]
Card = Mapping[str, Any]
"""A record of `schemas/core/card.avsc`."""


def worst(card: Card) -> str | None:
    """The slice, as `slice=value`, whose log loss is highest; None where all are small."""
    large = {n: m for n, m in card["slices"].items() if m.get("examples", 0) >= FEWEST}
    return max(large, key=lambda name: (large[name]["log_loss"], name), default=None)


def limits(card: Card, domain: Domain) -> list[str]:
    """What is known to be weak about this snapshot, in sentences."""
    days = (card["time"] - card["since"]) / DAY
    found = [
        f"It knows {days:.1f} days; a season, a holiday or a rule that did not fall into them is "
        "unknown to it.",
        "Categories are hashed: two of them may share a bucket, and a new one is answered as none.",
        f"A label counts up to {domain.label.deadline / DAY:g} days after the question; "
        + (
            "a question without one teaches nothing."
            if domain.label.missing is Unlabelled.DROP
            else "silence until then is taken for the other class."
        ),
    ]
    if card["version"] < 1_000:
        found.append(f"It has learned from {card['version']} examples only.")
    small = sum(m.get("examples", 0) < FEWEST for m in card["slices"].values())
    if small:
        found.append(
            f"{small} slices have fewer than {FEWEST} examples: their figures mean little."
        )
    if card["recent"].get("log_loss", 0.0) > card["overall"].get("log_loss", 0.0):
        found.append("Its newest examples went worse than its examples altogether.")
    return found


def document(card: Card, domain: Domain) -> dict[str, Any]:
    """The card as JSON: the record, and what the Markdown says besides."""
    return {
        **card,
        "title": domain.title,
        "positive": domain.positive,
        "features": list(domain.vector_names),
        "worst_slice": worst(card),
        "limits": limits(card, domain),
    }


def markdown(card: Card, domain: Domain) -> str:
    """The card for a person."""
    name = f"{card['name']}@{card['version']}"
    parts = [
        f"# Model card: {name}",
        f"A {card['kind']} of the domain {domain.name} ({domain.title}); sha256 {card['sha256']}.",
        "## Intended use",
        f"The probability that a request {domain.positive}, from features as Headrace serves them; "
        "one input of a decision about requests of this domain, and of no other population.",
        "## Data",
        f"{card['version']:,} examples, whose labels came from {_utc(card['since'])} to "
        f"{_utc(card['time'])}; each learned once, in the order of the labels.",
        "## Features",
        ", ".join(f"`{feature}`" for feature in domain.vector_names),
        "## Quality",
        _table({"overall": card["overall"], "newest": card["recent"]}),
        "## By slice, worst first",
        _worst(card),
        _table(_ordered(card["slices"])),
        "## Calibration",
        _calibration(card),
        "## Known limits",
        "\n".join(f"- {limit}" for limit in limits(card, domain)),
    ]
    return "\n\n".join(parts) + "\n"


def _ordered(slices: Mapping[str, Metrics]) -> dict[str, Metrics]:
    return dict(sorted(slices.items(), key=lambda item: (-item[1].get("log_loss", 0.0), item[0])))


def _worst(card: Card) -> str:
    found = worst(card)
    if found is None:
        return f"No slice has {FEWEST} examples yet."
    loss, overall = card["slices"][found]["log_loss"], card["overall"]["log_loss"]
    return f"Worst slice: **{found}**, log loss {loss:.4f} against {overall:.4f} overall."


def _calibration(card: Card) -> str:
    overall = card["overall"].get("calibration_error")
    if overall is None:
        return "Unknown yet."
    return (
        f"Probabilities are off by {overall:.4f} in the mean (calibration error over 15 bins). The "
        f"graph gave its learner's probabilities to within {card['difference']:.1g} on "
        f"{card['checked']} recent examples."
    )


def _table(rows: Mapping[str, Metrics]) -> str:
    lines = ["| | " + " | ".join(name.replace("_", " ") for name in MEASURES) + " |"]
    lines.append("|---" * (len(MEASURES) + 1) + "|")
    for name, metrics in rows.items():
        cells = [_cell(measure, metrics.get(measure)) for measure in MEASURES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(measure: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if measure == "examples" else f"{value:.4f}"


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}Z"
