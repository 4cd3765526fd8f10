"""The work that every peer does for a flights request, in plain Python, free of Headrace.

Keys of the entities → their features, stored as values by name in Redis hashes → the vector →
the ONNX model → a probability. `SPEC` names a JSON file that the benchmark writes.
"""

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
import onnxruntime as ort

SPEC = json.loads(Path(os.environ["SPEC"]).read_text())
ENTITIES = SPEC["entities"]
ZONE = ZoneInfo("America/New_York")


def session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(SPEC["model"], options, providers=["CPUExecutionProvider"])


def keys(request: dict) -> list[str]:
    return [
        f"peer:{entity['name']}:" + "|".join(str(request[part]) for part in entity["key"])
        for entity in ENTITIES
    ]


def vector(request: dict, found: list[dict[bytes, bytes]]) -> np.ndarray:
    """The model's input [1, width] from what HGETALL gave for each entity."""
    features = []
    for entity, values in zip(ENTITIES, found):
        for name, default in zip(entity["features"], entity["defaults"]):
            value = values.get(name.encode())
            if value is not None:
                features.append(float(value))
            else:
                features.append(np.nan if default is None else default)
    columns, categories = own(request)
    return np.array([columns + features + categories], dtype=np.float64)


def own(request: dict) -> tuple[list[float], list[float]]:
    local = datetime.fromtimestamp(request["scheduled"] / 1000, timezone.utc).astimezone(ZONE)
    hour, weekday = local.hour, local.weekday()
    carrier, origin, dest = request["carrier"], request["origin"], request["dest"]
    columns = [float(request["distance"]), float(hour * 60 + local.minute), float(hour)]
    categories = [
        bucket(carrier, 64),
        bucket(dest, 512),
        bucket(request["flight"], 4096),
        bucket(f"{origin}|{hour}", 256),
        bucket(f"{dest}|{hour}", 2048),
        bucket(f"{weekday}|{hour}", 256),
        bucket(f"{carrier}|{dest}", 1024),
        bucket(f"{carrier}|{origin}|{hour}", 2048),
    ]
    return [*columns, float(weekday)], categories


def bucket(text: str, buckets: int) -> float:
    return float(1 + crc32(text.encode()) % (buckets - 1))


def predict(model: ort.InferenceSession, request: dict, found: list) -> float:
    return float(model.run(["probability"], {"vector": vector(request, found)})[0][0])
