"""Counts of records that weigh differently, as counts of so many as would be as sure.

Where decisions hide outcomes, few that passed by lot stand for many. Counts by weight then have the
right shares, but vary more than their number tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online_models.drift.cells import Cells, Counts, counted

Values = NDArray[np.float64]
Weights = NDArray[np.float64] | None
"""What each record stands for; None: one, all of them."""


def planes(codes: NDArray[np.uint8], weights: Weights) -> Counts:
    """Counts by weight; where there are weights also by their squares, and without them.

    [1 or 3, columns, CELLS]; those of several blocks add up.
    """
    if weights is None:
        return counted(codes)[None]
    return np.stack([counted(codes, weights), counted(codes, weights**2), counted(codes)])


@dataclass
class Weighing:
    """What a reference knows of weights.

    `share` [columns, GROUPS] of the reference by weight; `heavy` [columns] is the mean weight of
    what has passed by lot, 1 where nothing has.
    """

    cells: Cells
    share: Values
    heavy: Values

    @staticmethod
    def of(cells: Cells, whole: Counts) -> Weighing:
        """After the planes of a reference."""
        grouped = cells.grouped(whole[0])
        return Weighing(cells, grouped / grouped.sum(-1, keepdims=True), _heavy(whole))

    def take(self, block: Counts) -> None:
        """Takes notice of the weights in the planes of a block."""
        self.heavy = np.maximum(self.heavy, _heavy(block))

    def effective(self, planes: Counts) -> Counts:
        """Counts [..., columns, CELLS] of so many records as would be as sure without weights.

        The sum of (p - q)² / q over groups has the mean sum of B (1 / q - 1), with B the squares of
        weights, over the squared weight; divided by what it is with weights in their place, it is
        the design effect (Rao and Scott, 1981). B is what has come, at least what an unchanged
        stream would have: without what passed by lot a group lacks some beside the reference, and
        these weigh as what passes. For few pass, and a window without any looks surer than it is.
        """
        counts = planes[..., 0, :, :]
        if planes.shape[-3] == 1:
            return counts
        weighed, squared = (self.cells.grouped(planes[..., i, :, :]) for i in (0, 1))
        heavy, some = self.heavy[:, None], self.share > 0
        rare = np.where(some, 1 / np.where(some, self.share, 1.0) - 1, 0.0)
        light = np.maximum(0.0, weighed - (squared - weighed) / np.maximum(heavy - 1, 1e-9))
        hidden = np.maximum(0.0, weighed.sum(-1, keepdims=True) * self.share - light)
        weight = (np.maximum(weighed, light + hidden) * rare).sum(-1)
        square = (np.maximum(squared, light + heavy * hidden) * rare).sum(-1)
        return counts / np.where(weight > 0, square / np.maximum(weight, 1e-300), 1.0)[..., None]


def _heavy(planes: Counts) -> Values:
    """Mean weight of those that weigh more than one: all other terms of both sums are nothing."""
    if len(planes) == 1:
        return np.ones(planes.shape[1])
    weighed, squared, number = planes.sum(-1)
    more = weighed - number
    return np.where(more > 0, (squared - weighed) / np.where(more > 0, more, 1.0), 1.0)
