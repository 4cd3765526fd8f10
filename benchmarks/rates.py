"""Rates as they are printed."""

from __future__ import annotations


def shown(rate: float) -> str:
    """Three significant digits of a rate below 100, else the whole number."""
    return f"{rate:.3g}" if rate < 100 else f"{rate:,.0f}"
