"""Declared samples: what is published, when, and that neither batches nor a crash change it."""

from __future__ import annotations

import math
import pickle
import random
from collections import Counter
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import pytest

from benchmarks.workloads import visits_domain
from online_models.samples import sampling
from online_models.samples.sampling import Record, Sampling, whole
from schemas.avro import CORE, Codec
from schemas.declare import HOUR, MINUTE, Domain, Publishing, Sample

START = 1_700_000_000_000
OFTEN = Publishing(examples=100, time=HOUR)
SAMPLES = (
    Sample("uniform", "uniform", size=40, publishing=OFTEN),
    Sample("recent", "decayed", size=40, half_life=20 * MINUTE, publishing=OFTEN),
    Sample("amounts", "weighted", size=40, by=("amount",), publishing=OFTEN),
    Sample("labels", "stratified", size=20, by=("label", "city"), publishing=OFTEN),
)


def examples(domain: Domain, number: int, seed: int = 1) -> list[dict[str, Any]]:
    """One example in about 25 is positive; one in 11 has no amount."""
    draw = random.Random(seed)
    width, amount = len(domain.vector_names), domain.vector_names.index("amount")
    out = []
    for i in range(number):
        vector = [draw.gauss(0, 1) for _ in range(width)]
        vector[amount] = math.nan if i % 11 == 0 else draw.expovariate(1)
        out.append(
            {
                "id": f"e{i}",
                "time": START + i * 1_000 + draw.randrange(5_000),
                "asked": START + i * 1_000,
                "vector": vector,
                "label": float(draw.random() < 0.04),
                "origin": "label",
                "probability": draw.random(),
                "model": "logistic",
                "version": i,
                "arm": "logistic",
                "propensity": 1.0,
                "policy": "fixed",
                "slices": {"city": "north" if i % 50 else "south"},
            }
        )
    return out


@pytest.fixture(scope="module")
def domain() -> Domain:
    return replace(visits_domain("visits"), samples=SAMPLES)


def encoded(records: list[Record]) -> list[bytes]:
    """The bytes that stand in the log: NaN is itself there."""
    return [Codec(CORE["sample"]).encode(record) for record in records]


def in_batches(sample: Sampling, stream: list[dict[str, Any]], seed: int) -> list[list[Record]]:
    """What the sample publishes when the stream comes in batches of seeded sizes."""
    draw, out, done = random.Random(seed), [], 0
    while done < len(stream):
        size = draw.randrange(1, 300)
        out += [records] if (records := sample.take(stream[done : done + size])) else []
        done += size
    return out


@pytest.mark.parametrize("declared", SAMPLES, ids=lambda sample: sample.name)
def test_batches_and_crashes_change_nothing(domain: Domain, declared: Sample) -> None:
    stream = examples(domain, 3_000)
    one_by_one = Sampling(domain, declared, seed=4)
    wanted = {r[0]["version"]: encoded(r) for e in stream if (r := one_by_one.take([e]))}
    assert list(wanted)[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 228]
    for seed in range(3):
        for records in in_batches(Sampling(domain, declared, seed=4), stream, seed):
            assert encoded(records) == wanted[records[0]["version"]]
        first = Sampling(domain, declared, seed=4)
        in_batches(first, stream[:1_234], seed)
        state = pickle.loads(pickle.dumps(first.state))
        resumed = Sampling(domain, declared, seed=4, state=state)
        in_batches(resumed, stream[1_234:], seed)
        assert encoded(resumed.snapshot()) == encoded(one_by_one.snapshot())


def test_each_kind_keeps_what_it_says(domain: Domain) -> None:
    stream = examples(domain, 5_000)
    kept: dict[str, list[Record]] = {}
    for declared in SAMPLES:
        sample = Sampling(domain, declared, seed=2)
        sample.take(stream)
        [record] = sample.snapshot()
        kept[declared.name] = record["rows"]
        assert (record["version"], record["since"]) == (5_000, min(e["time"] for e in stream))
        assert sample.kept() == len(record["rows"])
    assert len(kept["uniform"]) == 40
    assert {row["weight"] for row in kept["uniform"]} == {5_000 / 40}
    at = [row["time"] for row in kept["recent"]]
    assert sum(at) / 40 > stream[-1]["time"] - 60 * MINUTE
    column = domain.vector_names.index("amount")
    assert sum(row["vector"][column] for row in kept["amounts"]) / 40 > 1.5
    strata = Counter(row["stratum"] for row in kept["labels"])
    assert strata["1|north"] == strata["0|north"] == strata["0|south"] == 20
    assert 0 < strata["1|south"] < 20
    assert sum(row["weight"] for row in kept["labels"]) == pytest.approx(5_000)


@pytest.mark.parametrize("declared", SAMPLES[1:3], ids=lambda sample: sample.name)
def test_uneven_rows_stand_for_the_stream_and_for_a_slice(domain: Domain, declared: Sample) -> None:
    """Means over seeds within 4 of their standard errors, which are within 3 %."""
    stream, column = examples(domain, 400), domain.vector_names.index("amount")
    for i, example in enumerate(stream):
        example["slices"] = {"city": "north" if i % 3 else "south"}
    drawn = [e for e in stream if declared.kind == "decayed" or e["vector"][column] > 0]
    south = sum(e["slices"]["city"] == "south" for e in drawn)
    sums = []
    for seed in range(300):
        sample = Sampling(domain, replace(declared, half_life=2 * MINUTE), seed)
        sample.take(stream)
        rows = sample.snapshot()[0]["rows"]
        assert len(rows) == 40
        there = [row["weight"] for row in rows if row["slices"]["city"] == "south"]
        sums.append((sum(row["weight"] for row in rows), sum(there)))
    for found, true in zip(zip(*sums, strict=True), (len(drawn), south), strict=True):
        error = stdev(found) / math.sqrt(len(found))
        assert error < 0.03 * true
        assert fmean(found) == pytest.approx(true, abs=4 * error)


def test_two_samples_draw_their_own_numbers(domain: Domain) -> None:
    stream = examples(domain, 2_000)
    ids = []
    for name in ("one", "two"):
        sample = Sampling(domain, Sample(name, "uniform", size=40), seed=1)
        sample.take(stream)
        ids.append({row["id"] for row in sample.snapshot()[0]["rows"]})
    assert len(ids[0] & ids[1]) < 10


def test_large_samples_come_in_parts(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Sampling(domain, SAMPLES[0], seed=1)
    sample.take(examples(domain, 500))
    [alone] = sample.snapshot()
    monkeypatch.setattr(sampling, "PART_BYTES", 4_000)
    parts = sample.snapshot()
    assert len(parts) > 3
    assert {part["parts"] for part in parts} == {len(parts)}
    together = {**whole(parts)["uniform"], "parts": 1}
    assert encoded([together]) == encoded([alone])


def test_a_torn_snapshot_is_passed_over(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "PART_BYTES", 4_000)
    sample = Sampling(domain, SAMPLES[0], seed=1)
    stream = examples(domain, 500)
    sample.take(stream[:300])
    older = sample.snapshot()
    sample.take(stream[300:])
    newer = sample.snapshot()
    assert whole([*older, *newer[:-1]])["uniform"]["version"] == 300
    assert whole([*older, *newer[:-1], *newer])["uniform"]["version"] == 500
    assert whole(newer[1:]) == {}
    again = Sampling(domain, SAMPLES[0], seed=1)
    again.take(stream[:200])
    assert whole([*older, *newer, *again.snapshot()])["uniform"]["version"] == 200
