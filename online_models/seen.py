"""Tells copies of records by their ids, as far back as it remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

Record = TypeVar("Record", bound=Mapping[str, Any])


class Seen:
    """The newest `limit` ids; can be pickled."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ids: dict[str, None] = {}

    def new(self, records: Sequence[Record]) -> list[Record]:
        """Those of the records whose ids are new; remembers them."""
        fresh = []
        for record in records:
            if record["id"] not in self._ids:
                self._ids[record["id"]] = None
                fresh.append(record)
        for oldest in list(islice(self._ids, max(0, len(self._ids) - self._limit))):
            del self._ids[oldest]
        return fresh
