"""Starts `bentoml serve` as it is meant for production."""

import os
import sys
from pathlib import Path

here = Path(__file__).parent
os.environ["WORK"] = str(here.parent)
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.chdir(here)
bentoml = str(Path(sys.executable).parent / "bentoml")
os.execv(
    bentoml,
    [bentoml, "serve", "service:Flights", "--port", os.environ["PORT"], "--host", "127.0.0.1"],
)
