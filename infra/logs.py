"""Log lines of every process: one line a record, to standard error."""

from __future__ import annotations

import logging
import sys
import time

from infra.settings import Settings


class OneLine(logging.Formatter):
    """`time level where: message`, in UTC, with line breaks and tracebacks on the same line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s")
        self.datefmt = "%Y-%m-%dT%H:%M:%S"
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        return super().format(record).replace("\n", " | ")


def log_to_stderr(settings: Settings) -> None:
    """Sends log lines of the settings' level and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
