"""A second endpoint beside a stack's own, with settings of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from infra import processes
from infra.settings import Settings, child_environment
from infra.stack import START_TIMEOUT


class Endpoint:
    """Runs `headrace serve` with changed settings while entered; gives its predict URL.

    Raises StartError with the end of its log where it does not become ready.
    """

    def __init__(self, settings: Settings, *arguments: str, **changes: Any) -> None:
        self._port = processes.free_port()
        self._log = Path(settings.home) / "logs" / f"endpoint-{self._port}.log"
        self._environment = child_environment(settings, http_port=self._port, **changes)
        self._arguments = arguments
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> str:
        command = [sys.executable, "-m", "headrace", "serve", *self._arguments]
        self.process = processes.start(command, self._log, environment=self._environment)
        base = f"http://127.0.0.1:{self._port}"
        processes.wait_until(
            lambda: processes.http_answers(f"{base}/readyz"), self.process, self._log, START_TIMEOUT
        )
        return f"{base}/predict"

    def __exit__(self, *_: object) -> None:
        processes.stop(self.process, 15.0)
