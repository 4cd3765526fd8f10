"""Checks a domain's learners for the endpoint, which itself never loads what learns."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def check_learners(domain: str) -> None:
    """Makes every learner of the domain in a process of its own; raises DeclarationError.

    The learners' libraries would cost each process of the endpoint 140 MB.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(_make_all, domain).result()


def _make_all(domain: str) -> None:
    from online_models.learners import make_all
    from schemas import domains

    make_all(domains.load(domain))
