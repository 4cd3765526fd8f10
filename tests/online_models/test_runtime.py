"""ONNX Runtime sends nothing to its maker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_OPENS = "from online_models.export import run_graph; from online_models.runtime import ort"


@pytest.mark.parametrize(("given", "sent"), [({}, False), ({"ORT_DISABLE_TELEMETRY": "0"}, True)])
def test_telemetry_is_off_unless_asked_for(
    tmp_path: Path, given: dict[str, str], sent: bool
) -> None:
    """What is to be sent is kept in a file among the temporary ones.

    Nothing else of the environment counts: where variables tell of CI, ONNX Runtime sends none.
    """
    paths = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = paths | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)} | given
    subprocess.run([sys.executable, "-c", _OPENS], env=environment, check=True, timeout=60)
    assert any(tmp_path.rglob("*.ses")) == sent
