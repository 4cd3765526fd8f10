"""Snapshots are served only when they are what they say and fit this domain."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from schemas.declare import Domain
from serving.models import SnapshotRefused, base_rate, load


def test_fit_snapshot_runs(
    domain: Domain, snapshot: Callable[..., dict[str, Any]], telling: Callable[[int], float]
) -> None:
    model = load(snapshot(domain, "logistic", 7), domain)
    vectors = np.full((3, len(domain.vector_names)), math.nan)
    assert model.run(vectors).tolist() == [telling(7)] * 3
    assert (model.name, model.version, model.kind) == ("logistic", 7, "logistic")


def test_base_rate_gives_the_prior_and_is_version_0(domain: Domain) -> None:
    model = base_rate(domain)
    assert model.run(np.zeros((2, 5))).tolist() == [domain.prior] * 2
    assert (model.name, model.version) == ("base-rate", 0)


@pytest.fixture
def unfit(
    domain: Domain, constant: Callable[..., bytes], snapshot: Callable[..., dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """An unfit snapshot for each reason, the first word of its name."""
    width = len(domain.vector_names)
    good = constant(width, 0.5)
    names = list(domain.vector_names)
    return {
        "sha256": snapshot(domain, "a", 1, sha256="0" * 64),
        "domain": snapshot(domain, "a", 1, domain="payments"),
        "inputs": snapshot(domain, "a", 1, inputs=[*names[1:], names[0]]),
        "inputs short": snapshot(domain, "a", 1, inputs=names[:-1]),
        "graph truncated": snapshot(domain, "a", 1, good[: len(good) // 2]),
        "graph garbage": snapshot(domain, "a", 1, b"\x08\x09 no graph"),
        "graph empty": snapshot(domain, "a", 1, b""),
        "width fixed": snapshot(domain, "a", 1, constant(width - 1, 0.5)),
        "run width free": snapshot(domain, "a", 1, constant(width + 3, 0.5, fixed_width=False)),
        "signature input": snapshot(domain, "a", 1, constant(width, 0.5, entry="x")),
        "signature output": snapshot(domain, "a", 1, constant(width, 0.5, result="label")),
        "output nan": snapshot(domain, "a", 1, constant(width, math.nan)),
        "output above one": snapshot(domain, "a", 1, constant(width, 1.5)),
        "output below nought": snapshot(domain, "a", 1, constant(width, -0.1)),
    }


@pytest.mark.parametrize(
    "fault",
    [
        "sha256",
        "domain",
        "inputs",
        "inputs short",
        "graph truncated",
        "graph garbage",
        "graph empty",
        "width fixed",
        "run width free",
        "signature input",
        "signature output",
        "output nan",
        "output above one",
        "output below nought",
    ],
)
def test_unfit_snapshot_is_refused_with_its_reason(
    domain: Domain, unfit: dict[str, dict[str, Any]], fault: str
) -> None:
    with pytest.raises(SnapshotRefused) as refused:
        load(unfit[fault], domain)
    assert refused.value.reason == fault.split()[0]
