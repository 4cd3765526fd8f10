"""Starts MLServer with its settings files in a folder of its own; no worker processes."""

import json
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

here = Path(__file__).parent
folder = Path(tempfile.mkdtemp(prefix="mlserver-", dir=Path(os.environ["SPEC"]).parent))
port = int(os.environ["PORT"])
with socket.socket() as first, socket.socket() as second:
    first.bind(("127.0.0.1", 0))
    second.bind(("127.0.0.1", 0))
    grpc, metrics = first.getsockname()[1], second.getsockname()[1]
(folder / "settings.json").write_text(
    json.dumps(
        {
            "http_port": port,
            "grpc_port": grpc,
            "metrics_port": metrics,
            "parallel_workers": 0,
            "debug": False,
            "access_logs": False,
        }
    )
)
(folder / "model-settings.json").write_text(
    json.dumps({"name": "flights", "implementation": "runtime.Flights"})
)
shutil.copy(here / "runtime.py", folder)
os.environ["WORK"] = str(here.parent)
os.environ["PYTHONPATH"] = str(folder)
mlserver = str(Path(sys.executable).parent / "mlserver")
os.execv(mlserver, [mlserver, "start", str(folder)])
