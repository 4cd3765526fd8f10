"""Spans in milliseconds, schemas, and the error of a domain that contradicts itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

TILES = 12
"""Tiles in a window: a window is a multiple of so many milliseconds."""

Schema = Mapping[str, Any]
"""An Avro schema as parsed JSON, as it stands in its `.avsc` file."""


class DeclarationError(ValueError):
    """A domain contradicts itself; the message names the part, the found and the expected."""


def is_time(avro: Any) -> bool:
    """Whether an Avro type is a time in milliseconds, or that and null."""
    parts = avro if isinstance(avro, list) else [avro]
    return any(isinstance(p, Mapping) and p.get("logicalType") == "timestamp-millis" for p in parts)


def load_schemas(folder: Path) -> dict[str, Schema]:
    """Every `.avsc` of a folder by its record name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.avsc"))}
