"""Binary trees side by side as flat arrays: grown once, then asked, here and in ONNX alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
F8 = NDArray[np.float64]


@dataclass(frozen=True)
class Forest:
    """Trees whose leaves add up. Arrays [nodes], `roots` [trees]; a leaf is its own child.

    A node goes left where x[column] <= split, or where x[column] is NaN and `missing_left` says
    so. `value` counts at leaves only. `depth` is the most steps from a root to a leaf. Every root
    is a branch, as TreeEnsemble has it.
    """

    roots: Ints
    column: Ints
    split: F8
    missing_left: NDArray[np.bool_]
    left: Ints
    right: Ints
    value: F8
    depth: int

    def total(self, x: F8) -> float:
        """The sum of the leaves that one row [columns] falls into."""
        at = self.roots
        for _ in range(self.depth):
            seen = x[self.column[at]]
            left = (seen <= self.split[at]) | (self.missing_left[at] & (seen != seen))
            at = np.where(left, self.left[at], self.right[at])
        return float(self.value[at].sum())

    def totals(self, rows: F8) -> F8:
        """The sums [n] of many rows [n, columns]."""
        at = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        row = np.arange(len(rows))[:, None]
        for _ in range(self.depth):
            seen = rows[row, self.column[at]]
            left = (seen <= self.split[at]) | (self.missing_left[at] & (seen != seen))
            at = np.where(left, self.left[at], self.right[at])
        totals: F8 = self.value[at].sum(axis=1)
        return totals


def joined(forests: Sequence[Forest]) -> Forest:
    """One forest of all their trees; raises ValueError for none."""
    if not forests:
        raise ValueError("no forests to join; expected at least one")
    starts = np.cumsum([0, *(len(forest.column) for forest in forests)])[:-1]
    return Forest(
        roots=np.concatenate([f.roots + s for f, s in zip(forests, starts, strict=True)]),
        column=np.concatenate([f.column for f in forests]),
        split=np.concatenate([f.split for f in forests]),
        missing_left=np.concatenate([f.missing_left for f in forests]),
        left=np.concatenate([f.left + s for f, s in zip(forests, starts, strict=True)]),
        right=np.concatenate([f.right + s for f, s in zip(forests, starts, strict=True)]),
        value=np.concatenate([f.value for f in forests]),
        depth=max(forest.depth for forest in forests),
    )


@dataclass
class Growing:
    """A forest in the making: add nodes, parents before their children."""

    roots: list[int] = field(default_factory=list)
    _column: list[int] = field(default_factory=list)
    _split: list[float] = field(default_factory=list)
    _missing_left: list[bool] = field(default_factory=list)
    _children: list[tuple[int, int]] = field(default_factory=list)
    _value: list[float] = field(default_factory=list)

    def branch(self, column: int, split: float, missing_left: bool = False) -> int:
        """Adds a node that goes left where column <= split; call `join` for it later."""
        return self._add(column, split, missing_left, 0.0)

    def leaf(self, value: float) -> int:
        """Adds a leaf."""
        return self._add(0, 0.0, False, value)

    def join(self, node: int, left: int, right: int) -> None:
        """Says which nodes a branch leads to."""
        self._children[node] = (left, right)

    def root(self, node: int) -> None:
        """Makes a tree of what hangs on a node; a leaf gets a branch that leads nowhere else."""
        if self._children[node][0] == node:
            leaf, node = node, self.branch(0, 0.0)
            self.join(node, leaf, leaf)
        self.roots.append(node)

    def finish(self) -> Forest:
        """The forest; raises ValueError without a tree."""
        if not self.roots:
            raise ValueError("a forest without a tree; expected at least one root")
        children = np.array(self._children, np.int64)
        return Forest(
            roots=np.array(self.roots, np.int64),
            column=np.array(self._column, np.int64),
            split=np.array(self._split, np.float64),
            missing_left=np.array(self._missing_left, bool),
            left=children[:, 0].copy(),
            right=children[:, 1].copy(),
            value=np.array(self._value, np.float64),
            depth=_depth(children, self.roots),
        )

    def _add(self, column: int, split: float, missing_left: bool, value: float) -> int:
        number = len(self._column)
        self._column.append(column)
        self._split.append(split)
        self._missing_left.append(missing_left)
        self._children.append((number, number))
        self._value.append(value)
        return number


def _depth(children: Ints, roots: Sequence[int]) -> int:
    at, depth = np.unique(np.array(roots, np.int64)), 0
    while True:
        below = np.unique(children[at])
        below = below[children[below, 0] != below]
        depth += 1
        if not len(below):
            return depth
        at = below
