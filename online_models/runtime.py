"""ONNX Runtime, told before it is loaded to send no telemetry to its maker.

Its official builds do by default, from 1.32 on; ORT_DISABLE_TELEMETRY=0 leaves them to it.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

__all__ = ["ort"]
