"""Where values are counted: in cells between quantiles of the reference, or one cell a category.

A value that is frequent by itself (zero, say) has a cell of its own; the last cell counts what is
unknown (NaN). Cells are fine enough for KS; PSI takes them together in `GROUPS` of like weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online_models.drift.columns import Column

QUANTILES = 64
CELLS = 2 * QUANTILES + 1
"""At most an edge below and above every quantile, and the cell of the unknown."""
UNKNOWN = CELLS - 1
GROUPS = 10
"""Of numbers: eight of known values at most, one spare, and the unknown (the last)."""
TOP = GROUPS - 2
"""Categories that have a cell; the others share one."""

Counts = NDArray[np.float64]
"""[..., columns, CELLS] or [..., columns, GROUPS]."""


@dataclass(frozen=True)
class Cells:
    """The cells of every column, and the group of every cell [columns, CELLS]."""

    columns: tuple[Column, ...]
    edges: tuple[NDArray[np.float64], ...]
    groups: NDArray[np.int64]

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The cell of every value; [n, columns] to [n, columns]."""
        out = np.empty(values.shape, np.uint8)
        for i, column in enumerate(self.columns):
            out[:, i] = _codes(column, self.edges[i], values[:, i])
        return out

    def grouped(self, counts: Counts) -> Counts:
        """Counts by cell taken together by group."""
        member = (self.groups[:, :, None] == np.arange(GROUPS)).astype(np.float64)
        return np.asarray((counts[..., None, :] @ member)[..., 0, :])

    def names(self, column: int) -> list[str]:
        """What the groups hold that can hold anything, for a person."""
        return [text for _, text in self._described(column)]

    def shares(self, column: int, grouped: Counts) -> list[float]:
        """The shares of those groups in counts [columns, GROUPS]; sum to 1 where anything is."""
        row = grouped[column] / max(1.0, float(grouped[column].sum()))
        return [float(row[group]) for group, _ in self._described(column)]

    def _described(self, column: int) -> list[tuple[int, str]]:
        edges, groups = self.edges[column], self.groups[column]
        if self.columns[column].scale != "number":
            known = [(int(groups[i]), f"{edge:g}") for i, edge in enumerate(edges)]
            return [*known, (TOP, "other"), (GROUPS - 1, "unknown")]
        out = []
        for group in np.unique(groups[: len(edges) + 1]).tolist():
            inside = np.flatnonzero(groups[: len(edges) + 1] == group)
            out.append((group, _span(edges, int(inside[0]), int(inside[-1]))))
        return [*out, (GROUPS - 1, "unknown")]


def _span(edges: NDArray[np.float64], first: int, last: int) -> str:
    if not len(edges):
        return "known"
    low, above = _edge(edges, first - 1)
    high, within = _edge(edges, last)
    if first == 0:
        return f"{'≤' if within else '<'} {high:.4g}"
    if last == len(edges):
        return f"{'>' if above else '≥'} {low:.4g}"
    return f"{low:.4g}" if low == high else f"{'> ' if above else ''}{low:.4g} to {high:.4g}"


def _edge(edges: NDArray[np.float64], place: int) -> tuple[float, bool]:
    """The number at an edge, and whether it is the one above a frequent number."""
    at = [float(edge) for edge in edges[max(0, place - 1) : place + 1]] or [np.nan]
    above = len(at) > 1 and place < len(edges) and at[1] == np.nextafter(at[0], np.inf)
    return at[0] if above else at[-1], above


def cells_of(columns: Sequence[Column], values: NDArray[np.float64]) -> Cells:
    """Cells for these columns after a reference sample [n, columns]."""
    edges = tuple(_edges(column, values[:, i]) for i, column in enumerate(columns))
    bare = Cells(tuple(columns), edges, np.zeros((len(columns), CELLS), np.int64))
    counts = counted(bare.codes(values))
    groups = [_groups(column, edges[i], counts[i]) for i, column in enumerate(columns)]
    return Cells(tuple(columns), edges, np.stack(groups))


def counted(codes: NDArray[np.uint8], weights: NDArray[np.float64] | None = None) -> Counts:
    """How many of n rows of codes [n, columns] fall in each cell, or weigh; [columns, CELLS]."""
    columns = codes.shape[1]
    places = codes.astype(np.int64) + CELLS * np.arange(columns)
    each = None if weights is None else np.repeat(weights, columns)
    counts = np.bincount(places.ravel(), each, minlength=columns * CELLS)
    return counts.reshape(columns, CELLS).astype(np.float64)


def _codes(
    column: Column, edges: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.int64]:
    if column.scale == "number":
        places = np.searchsorted(edges, values, side="right")
    else:
        places = np.minimum(np.searchsorted(edges, values), max(0, len(edges) - 1))
        known = edges[places] == values if len(edges) else np.zeros(len(values), bool)
        places = np.where(known, places, len(edges))
    return np.where(np.isnan(values), UNKNOWN, places)


def _edges(column: Column, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ascending; a number that several quantiles share gets an edge below and one above."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.empty(0)
    if column.scale == "label":
        return np.array([0.0, 1.0])
    if column.scale == "category":
        found, times = np.unique(known, return_counts=True)
        return np.sort(found[np.argsort(-times, kind="stable")[:TOP]])
    quantiles = np.quantile(known, np.arange(1, QUANTILES) / QUANTILES, method="inverted_cdf")
    found, times = np.unique(quantiles, return_counts=True)
    frequent = np.nextafter(found[times > 1], np.inf)
    return np.unique(np.concatenate([found, frequent]))


def _groups(column: Column, edges: NDArray[np.float64], counts: Counts) -> NDArray[np.int64]:
    """The group of each cell: by its middle in the cumulated share, so that groups weigh alike."""
    groups = np.full(CELLS, GROUPS - 1, np.int64)
    known = counts[: len(edges) + 1]
    if column.scale != "number":
        groups[: len(edges)] = np.arange(len(edges))
        groups[len(edges) : UNKNOWN] = TOP
        return groups
    middle = (np.cumsum(known) - known / 2) / max(1.0, float(known.sum()))
    groups[: len(known)] = np.minimum(middle * (GROUPS - 2), GROUPS - 3).astype(np.int64)
    return groups
