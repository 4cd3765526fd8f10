"""What is produced beside the records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.producing import write_truth
from schemas.dataset import NoSuchData, load


def test_the_truth_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file, data = tmp_path / "sub" / "truth.jsonl", load("payments")
    write_truth(data, file, 2, None, 3, ["lag@1"])
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines == list(data.truth(2, seed=3, plant=["lag@1"]))
    assert lines[0]["drift"] == "lag"
    before = file.read_bytes()
    with pytest.raises(NoSuchData, match="recorded"):
        write_truth(load("flights"), file, 2, None, 3, [])
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
