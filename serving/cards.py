"""Finds the card of a snapshot in the log."""

from __future__ import annotations

import re
from typing import Any

from infra import inspection
from infra.settings import Settings
from schemas import nearest
from schemas.declare import Domain


class NoSuchCard(LookupError):
    """There is no card of that name or version."""


def version_in(text: str) -> int | None:
    """A version as a person writes it; None where that is no number."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def find(settings: Settings, domain: Domain, name: str, version: int | None) -> dict[str, Any]:
    """The newest card of a learner, or that of a version of it; raises NoSuchCard."""
    found: dict[int, dict[str, Any]] = {}
    names: set[str] = set()
    for card in inspection.read(settings, domain, "cards"):
        names.add(card["name"])
        if card["name"] == name:
            found[card["version"]] = card
    if not found:
        others = f"there are {', '.join(sorted(names))}" if names else "nor of any learner"
        near = nearest.hint(name, sorted(names), others)
        raise NoSuchCard(f"no snapshot of {name!r} was published{near}")
    if version is None:
        return found[max(found)]
    if version not in found:
        near_by = sorted(found, key=lambda other: abs(other - version))[:3]
        raise NoSuchCard(
            f"{name}@{version} was never published; near it are "
            f"{', '.join(f'{name}@{other}' for other in near_by)}"
        )
    return found[version]
