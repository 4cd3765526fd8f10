"""The log of predictions, on a real broker."""

from __future__ import annotations

from typing import Any

from infra import inspection, topics
from infra.registry import registry
from infra.settings import Settings
from schemas.declare import Domain
from serving.prediction_log import Log, NoLog, PredictionLog

RECORD: dict[str, Any] = {
    "time": 1_357_000_000_000, "vector": [0.5], "probability": 0.25, "model": "m", "version": 1,
    "arm": "m", "propensity": 1.0, "policy": "fixed", "degraded": [], "positions": [], "slices": {},
    "unit": "", "seen": 1.0, "model_ms": 0.1,
}  # fmt: skip


class _Overtaken:
    """The log's producer; another record comes just when its first flush has nothing left."""

    def __init__(self, log: PredictionLog) -> None:
        self._log, self._real = log, log._producer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __len__(self) -> int:
        return len(self._real)

    def flush(self, timeout: float) -> int:
        left: int = self._real.flush(timeout)
        if not left and self._log.answered == 1:
            self._log.write({**RECORD, "id": "second"})
        return left


def test_what_is_written_while_a_flush_ends_is_not_lost(settings: Settings, domain: Domain) -> None:
    topics.create_topics(settings, domain)
    log = PredictionLog(settings, domain, registry(settings))
    log.open()
    log._producer = _Overtaken(log)
    log.write({**RECORD, "id": "first"})
    log.flush()
    assert log.answered == 2
    log.close()
    found = inspection.read(settings, domain, "predictions")
    assert sorted(record["id"] for record in found) == ["first", "second"]


def test_what_keeps_no_record_can_be_used_as_a_log() -> None:
    log: Log = NoLog()
    log.open()
    assert log.is_open
    log.write({**RECORD, "id": "nowhere"})
    log.poll()
    log.flush()
    log.close()
