"""A small domain on a real broker and Redis."""

from __future__ import annotations

import itertools
import os

import pytest

from infra.settings import Settings
from schemas.declare import Domain
from tests.flows.logs import Log, small_domain

_NUMBERS = itertools.count()


@pytest.fixture
def small() -> Domain:
    """Visits, with three learners; its topics are the test's own."""
    return small_domain(f"visits{os.getpid()}x{next(_NUMBERS)}")


@pytest.fixture
def log(settings: Settings, small: Domain) -> Log:
    """The log of the small domain."""
    return Log(settings, small)
