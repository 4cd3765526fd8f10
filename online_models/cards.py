"""Model cards: what a snapshot is for, what it learned from, how good it is, where it is worst.

After Mitchell et al., *Model Cards for Model Reporting* (2019). All figures are prequential: of
each example before the learner learned from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.declare import DAY, Domain, Unlabelled

FEWEST = 100
"""Effective examples below which a slice is too small to be named the worst."""

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
    """The slice, as `slice=value`, with the largest `excess`; None where all are small."""
    large = {name: m for name, m in card["slices"].items() if _effective(m) >= FEWEST}
    return max(large, key=lambda name: (excess(large[name]), name), default=None)


def excess(metrics: Metrics) -> float:
    """Log loss less that of the examples' own rate of positives, which is its entropy.

    Log losses of slices with unequal rates cannot be compared: on a rare class the slice with the
    highest rate has the highest, however good its answers are. NaN where there is none.
    """
    rate = metrics.get("rate", math.nan)
    entropy = -sum(share * math.log(share) for share in (rate, 1.0 - rate) if share != 0.0)
    return metrics.get("log_loss", math.nan) - entropy


def limits(card: Card, domain: Domain) -> list[str]:
    """What is known to be weak about this snapshot, in sentences."""
    days = (card["time"] - card["since"]) / DAY
    found = [
        f"It knows {days:.1f} days; a season, a holiday or a rule that did not fall into them is "
        "unknown to it.",
        f"A label counts up to {domain.label.deadline / DAY:g} days after the question; "
        + (
            "a question without one teaches nothing."
            if domain.label.missing is Unlabelled.DROP
            else "silence until then is taken for the other class."
        ),
    ]
    if card.get("categories") != []:
        found.append(
            "Categories are hashed: two may share a bucket, and a new one is answered as none."
        )
    if card["version"] < 1_000:
        found.append(f"It has learned from {card['version']} examples only.")
    small = sum(_effective(m) < FEWEST for m in card["slices"].values())
    if small:
        found.append(
            f"{small} slices have fewer than {FEWEST} effective examples: their figures say little."
        )
    recent, overall = card["recent"], card["overall"]
    older = recent.get("examples", 0) < overall.get("examples", 0)
    if older and recent.get("log_loss", 0.0) > overall.get("log_loss", 0.0):
        found.append("Its newest examples went worse than its examples altogether.")
    return found


def document(card: Card, domain: Domain) -> dict[str, Any]:
    """The card as JSON: the record, and what the Markdown says besides."""
    return {
        **card,
        "title": domain.title,
        "positive": domain.positive,
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
        _data(card),
        "## Features",
        _features(card),
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


def _data(card: Card) -> str:
    said = [
        f"{_counted(card['overall'])} examples, whose labels came from {_utc(card['since'])} to "
        f"{_utc(card['time'])}, in the order of the labels"
    ]
    if card.get("learned"):
        said.append(card["learned"])
    if "effective" in card["overall"]:
        said.append("an example stands also for others like it whose outcome stayed hidden")
    return "; ".join(said) + "."


def _features(card: Card) -> str:
    kinds = {"Numbers": card.get("features"), "Categories, hashed": card.get("categories")}
    lines = [
        f"{kind}: {', '.join(f'`{name}`' for name in names)}."
        for kind, names in kinds.items()
        if names
    ]
    if lines:
        return "\n\n".join(lines)
    return "Not recorded." if card.get("features") is None else "None."


def _ordered(slices: Mapping[str, Metrics]) -> dict[str, Metrics]:
    return dict(sorted(slices.items(), key=lambda item: (-excess(item[1]), item[0])))


def _worst(card: Card) -> str:
    found = worst(card)
    by = (
        "Slices are ranked by their excess: log loss less that of their own rate of positives. "
        "Above 0, that rate alone would have been the better answer."
    )
    if found is None:
        return f"No slice has {FEWEST} effective examples yet. {by}"
    slice_, overall = card["slices"][found], card["overall"]
    return (
        f"Worst slice: **{found}**, excess {excess(slice_):+.4f} (log loss "
        f"{slice_['log_loss']:.4f}) against {excess(overall):+.4f} overall. {by}"
    )


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
    heads = [*MEASURES, "excess"]
    lines = ["| | " + " | ".join(name.replace("_", " ") for name in heads) + " |"]
    lines.append("|---" * (len(heads) + 1) + "|")
    for name, metrics in rows.items():
        figures = (metrics.get(measure, math.nan) for measure in MEASURES[1:])
        cells = [_counted(metrics), *map(_figure, figures), _figure(excess(metrics), "+")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _figure(value: float, sign: str = "") -> str:
    return "–" if math.isnan(value) else f"{value:{sign}.4f}"


def _counted(metrics: Metrics) -> str:
    found = f"{metrics.get('examples', 0):,.0f}"
    return f"{found} ({_effective(metrics):,.0f} effective)" if "effective" in metrics else found


def _effective(metrics: Metrics) -> float:
    return metrics.get("effective", metrics.get("examples", 0))


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}Z"
