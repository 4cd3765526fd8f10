"""Examples through flows/sampling: the samples of a bare loop, killed or not, and `sample show`."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import headrace
from flows import samples
from flows.run import run
from flows.samples import NoSuchSample
from infra import kafka
from infra.settings import Settings
from infra.written import UnknownFormat
from online_models.samples import sampling
from online_models.samples.sampling import Sampling
from schemas import domains
from schemas.avro import CORE, Codec
from schemas.declare import HOUR, MINUTE, Domain, Publishing, Sample
from tests.flows.logs import START, Log
from tests.flows.processes import survive

OFTEN = Publishing(examples=200, time=HOUR)
SAMPLES = (
    Sample("uniform", "uniform", size=50, publishing=OFTEN),
    Sample("recent", "decayed", size=50, half_life=20 * MINUTE, publishing=OFTEN),
    Sample("labels", "stratified", size=30, by=("label",), publishing=OFTEN),
)


@pytest.fixture
def small(small: Domain) -> Domain:
    """Visits with samples."""
    return dataclasses.replace(small, samples=SAMPLES)


def examples(domain: Domain, number: int, seed: int = 1) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    served = {"model": "logistic", "arm": "logistic", "propensity": 1.0, "policy": "fixed"}
    return [
        {
            "id": f"e{i}",
            "time": START + i * 1_000,
            "asked": START + i * 1_000 - draw.randrange(HOUR),
            "vector": [draw.gauss(0, 1) for _ in domain.vector_names],
            "label": float(draw.random() < 0.05),
            "origin": "label",
            "probability": draw.random(),
            "version": i,
            "slices": {},
            **served,
        }
        for i in range(number)
    ]


def of_a_bare_loop(log: Log, stream: list[dict[str, Any]]) -> dict[bytes, bytes]:
    """Key and bytes of the newest snapshot of each sample, offered one example after the other."""
    newest: dict[bytes, bytes] = {}
    codec = Codec(CORE["sample"])
    for declared in log.domain.samples:
        sample = Sampling(log.domain, declared, log.settings.seed)
        for example in stream:
            for part in sample.take([example]):
                suffix = f"/{part['part']}" if part["part"] else ""
                newest[f"{declared.name}{suffix}".encode()] = codec.encode(part)
    return newest


def in_the_log(log: Log) -> dict[bytes, bytes]:
    """The state that the topic holds, without the five bytes of the header."""
    held = kafka.newest_by_key(log.settings, log.domain.topic("samples"))
    return {key: bytes(message.value())[5:] for key, message in held.items()}


@pytest.mark.parametrize("workers", [1, 2])
def test_samples_are_those_of_a_bare_loop(log: Log, workers: int) -> None:
    stream = examples(log.domain, 1_500)
    log.write("examples", "example", stream, key="id")
    log.write("examples", "example", stream[-20:], key="id")  # copies count once
    log.write_bytes("examples", [b"no example"], key=None)
    run("sampling", log.settings, workers, until_end=True, domain=log.domain)
    assert in_the_log(log) == of_a_bare_loop(log, stream)
    assert [letter["reason"] for letter in log.read("dead-letters")] == ["not_avro"]


def test_killed_and_restarted_the_bytes_are_the_same(log: Log) -> None:
    stream = examples(log.domain, 3_000)
    log.write("examples", "example", stream, key="id")
    assert survive("sampling", log.settings, log.domain, kills=4, seed=3) >= 2
    assert in_the_log(log) == of_a_bare_loop(log, stream)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
def test_in_a_storm(log: Log, seed: int) -> None:
    stream = examples(log.domain, 20_000, seed)
    log.write("examples", "example", stream, key="id")
    assert survive("sampling", log.settings, log.domain, kills=15, seed=seed, workers=2) >= 8
    assert in_the_log(log) == of_a_bare_loop(log, stream)


def test_a_sample_that_is_declared_otherwise_begins_anew(log: Log) -> None:
    stream = examples(log.domain, 600)
    log.write("examples", "example", stream[:300], key="id")
    run("sampling", log.settings, until_end=True, domain=log.domain)
    changed = (dataclasses.replace(SAMPLES[0], size=20), SAMPLES[2])
    log.domain = dataclasses.replace(log.domain, samples=changed)
    log.write("examples", "example", stream[300:], key="id")
    run("sampling", log.settings, until_end=True, domain=log.domain)
    found = samples.read(log.settings, log.domain)
    assert (found["uniform"]["size"], found["uniform"]["version"]) == (20, 256)
    assert found["labels"]["version"] == 456


def test_show_prints_and_writes(log: Log, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sampling, "PART_BYTES", 5_000)
    stream = examples(log.domain, 1_024)
    log.write("examples", "example", stream, key="id")
    with pytest.raises(NoSuchSample, match="no snapshot of 'labels' yet"):
        samples.read_one(log.settings, log.domain, "labels")
    run("sampling", log.settings, until_end=True, domain=log.domain)
    monkeypatch.setattr(domains, "load", lambda _: log.domain)
    for name, value in environment(log.settings).items():
        monkeypatch.setenv(name, value)
    parquet, lines = tmp_path / "a" / "labels.parquet", tmp_path / "b" / "labels.jsonl"
    assert "60 rows of labels" in shown("labels", "--out", str(parquet))
    assert "60 rows of labels" in shown("labels", "--out", str(lines))
    told = shown("labels", "--rows", "2")
    assert all(word in told for word in ("Strata, the rarest first", "2 of its rows", "offered"))
    table = pyarrow.parquet.read_table(parquet)
    assert table.num_rows == 60
    assert set(log.domain.vector_names) <= set(table.column_names)
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert rows == table.to_pylist()
    assert sum(row["weight"] for row in rows) == pytest.approx(
        samples.read_one(log.settings, log.domain, "labels")["version"]
    )
    assert all(name in shown() for name in ("uniform", "recent", "labels"))
    with pytest.raises(NoSuchSample, match="did you mean 'labels'"):
        samples.read_one(log.settings, log.domain, "lables")
    with pytest.raises(UnknownFormat, match=r"ends in \.parquet, \.jsonl"):
        samples.write(log.domain, {"rows": []}, tmp_path / "labels.csv")


def environment(settings: Settings) -> dict[str, str]:
    return {"HEADRACE_KAFKA": settings.brokers, "HEADRACE_HOME": str(settings.home)}


def shown(*words: str) -> str:
    result = CliRunner().invoke(headrace.app, ["sample", "show", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
