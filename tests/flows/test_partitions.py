"""A topic that has got more partitions since the snapshot of a flow that merges them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flows.drift import StreamPart
from flows.joined import JoinPart
from flows.parts import Part
from flows.reading import Reading
from flows.routing import RoutingPart
from infra.kafka import OffsetLost
from tests.flows.logs import Log


def join(reading: Reading, resume: Any) -> Part:
    return JoinPart(reading, resume._replace(now=resume.now[:-1]) if resume else None)


def routing(reading: Reading, resume: Any) -> Part:
    return RoutingPart(reading, resume[:-1] if resume else None)


def drift(reading: Reading, resume: Any) -> Part:
    return StreamPart(reading, "predictions", resume[:-1] if resume else None)


@pytest.mark.parametrize("make", [join, routing, drift])
def test_a_flow_says_that_there_are_more(log: Log, make: Callable[[Reading, Any], Part]) -> None:
    """The snapshot has one partition less than there are now."""
    part = make(log.reading("flow"), None)
    snapshot = part.snapshot()
    part.close()
    with pytest.raises(OffsetLost, match=r"^flow had read \d partitions of .*predictions"):
        make(log.reading("flow"), snapshot)
