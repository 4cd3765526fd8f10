"""Starts `feast serve` on features that were put into its online store in Redis.

One feature view an entity, one feature service for all of them; features only, no model.
"""

import json
import os
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import redis
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType

SPEC = json.loads(Path(os.environ["SPEC"]).read_text())
folder = Path(tempfile.mkdtemp(prefix="feast-", dir=Path(os.environ["SPEC"]).parent))
where = urlsplit(SPEC["redis"])
(folder / "feature_store.yaml").write_text(
    f"""
project: flights
provider: local
registry: {folder}/registry.db
online_store:
  type: redis
  connection_string: {where.hostname}:{where.port}
entity_key_serialization_version: 3
"""
)


def view(entity: dict) -> FeatureView:
    source = FileSource(
        name=f"{entity['name']}_source", path=str(folder / "none.parquet"), timestamp_field="time"
    )
    known = Entity(name=entity["name"], join_keys=[entity["name"]], value_type=ValueType.STRING)
    fields = [Field(name=name, dtype=Float64) for name in entity["features"]]
    return FeatureView(name=entity["name"], entities=[known], schema=fields, source=source)


def rows(client: redis.Redis, entity: dict) -> pd.DataFrame:
    start = f"peer:{entity['name']}:"
    told = []
    for name in client.scan_iter(start + "*", count=1000):
        values = client.hgetall(name)
        key = name.decode().removeprefix(start)
        features = {feature: float(values[feature.encode()]) for feature in entity["features"]}
        told.append({entity["name"]: key, **features})
    frame = pd.DataFrame(told)
    frame["time"] = datetime.now(timezone.utc)
    return frame


store = FeatureStore(repo_path=str(folder))
views = {entity["name"]: view(entity) for entity in SPEC["entities"]}
entities = [Entity(name=name, join_keys=[name], value_type=ValueType.STRING) for name in views]
service = FeatureService(name="flights", features=list(views.values()))
store.apply([*entities, *views.values(), service])
client = redis.Redis.from_url(SPEC["redis"])
for entity in SPEC["entities"]:
    store.write_to_online_store(entity["name"], rows(client, entity))
client.close()

feast = str(Path(sys.executable).parent / "feast")
os.execv(
    feast,
    [
        feast, "--chdir", str(folder), "serve", "--host", "127.0.0.1", "--port",
        os.environ["PORT"], "--workers", "1", "--no-access-log", "--registry_ttl_sec", "3600",
        "--max-requests", "0", "--max-requests-jitter", "0",
    ],
)  # fmt: skip
