"""The life of an alarm: opened, updated while what it tells changes, closed.

One column has one alarm at a time, whatever windows and tests find it. Ids are made from what
the alarm is about and how many it has had before. So a replay gives the same, and also a crash does
where the live edge gave the records in another order than they are read in again: that alarm may
open some records sooner or later, but it is no second one beside the first, open for good.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from online_models.drift.findings import Finding

STRONGER = 1.25
"""An alarm is updated when a finding is so much stronger than what was told last."""

Record = dict[str, Any]


@dataclass
class Open:
    """An open alarm: its newest record, and when it was last found."""

    record: Record
    found: int
    strength: float


@dataclass
class Alarms:
    """The open alarms of one key of a domain's stream.

    An alarm closes when nothing has found it for `calm` ms of event time.
    """

    domain: str
    calm: int
    open: dict[str, Open] = field(default_factory=dict)
    had: Counter[str] = field(default_factory=Counter)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What an earlier version kept has counted none."""
        self.__dict__.update({"had": Counter(), **state})

    def take(self, time: int, findings: Iterable[Finding]) -> list[Record]:
        """What has become of the alarms at an event time; records of `alarm.avsc`, in order."""
        strongest: dict[str, Finding] = {}
        for finding in findings:
            held = strongest.get(finding.key)
            if held is None or finding.strength > held.strength:
                strongest[finding.key] = finding
        out = [record for one in strongest.values() for record in self._found(one)]
        return out + self._forget(time)

    def close(self, time: int) -> list[Record]:
        """Closes all: the reference has been replaced."""
        return [self._closed(key, time) for key in list(self.open)]

    def _found(self, finding: Finding) -> list[Record]:
        held = self.open.get(finding.key)
        if held is None:
            named = f"{self.domain}|{finding.key}|{self.had[finding.key]}"
            id_ = hashlib.sha256(named.encode()).hexdigest()[:12]
            self.had[finding.key] += 1
            record = self._record(finding, id_, finding.time, finding.since)
            self.open[finding.key] = Open(record, finding.time, finding.strength)
            return [record]
        held.found = finding.time
        turned = (finding.direction, finding.kind) != (
            held.record["direction"],
            held.record["kind"],
        )
        if not turned and finding.strength < STRONGER * held.strength:
            return []
        since = min(finding.since, held.record["since"])
        held.record = self._record(
            finding, held.record["id"], held.record["opened"], since, "updated"
        )
        held.strength = max(finding.strength, held.strength)
        return [held.record]

    def _forget(self, time: int) -> list[Record]:
        calm = [key for key, held in self.open.items() if time - held.found >= self.calm]
        return [self._closed(key, time) for key in calm]

    def _closed(self, key: str, time: int) -> Record:
        return {**self.open.pop(key).record, "state": "closed", "time": time}

    def _record(
        self, finding: Finding, id_: str, opened: int, since: int, state: str = "opened"
    ) -> Record:
        return {
            **asdict(finding),
            "id": id_,
            "domain": self.domain,
            "state": state,
            "opened": opened,
            "since": since,
        }
