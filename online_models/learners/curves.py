"""Curves for a linear model: a smooth-enough function of each number, learned as a few weights.

A scaled number z becomes itself (clipped) and its two nearest knots, weighted by nearness (linear
interpolation, a B-spline basis of degree 1: de Boor, A Practical Guide to Splines, chapter IX).
The model stays linear in its weights, so it still learns online, yet may bend with every number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from river import base

STEP = 0.5
"""Standard deviations between two knots."""

REACH = 3.0
"""Knots lie in [-REACH, REACH]; beyond, only the straight part goes on."""

CLIP = 6.0
"""Where the straight part ends too, so that no value however absurd can carry an answer alone."""

KNOTS = int(2 * REACH / STEP) + 1
CELLS = int(2 * CLIP / STEP)


class Curves(base.Transformer):  # type: ignore[misc]
    """River transformer after a scaler: z by name → straight part, two knots; or a missing flag.

    Keys are `name`, `name@0` … `name@12` for the knots from -3 to 3, and `name?` where the number
    is missing from the dict.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.keys = [
            (name, f"{name}?", tuple(f"{name}@{knot}" for knot in range(KNOTS))) for name in names
        ]

    def transform_one(self, x: Mapping[str, float]) -> dict[str, float]:
        """At most three keys a name."""
        out: dict[str, float] = {}
        last = KNOTS - 1
        for name, missing, knots in self.keys:
            z = x.get(name)
            if z is None:
                out[missing] = 1.0
                continue
            out[name] = z = -CLIP if z < -CLIP else CLIP if z > CLIP else z
            place = (z + REACH) / STEP
            if place <= 0.0:
                out[knots[0]] = 1.0
            elif place >= last:
                out[knots[last]] = 1.0
            else:
                knot = int(place)
                share = place - knot
                out[knots[knot]] = 1.0 - share
                out[knots[knot + 1]] = share
        return out

    def tables(
        self, weights: Mapping[str, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What a linear model with these weights adds for each name.

        Gives its value at z = -6, -5.5 … 6 (shape [names, 25]; between them it is linear), and
        its value where the number is missing (shape [names]).
        """
        get = weights.get
        straight = np.array([get(name, 0.0) for name, _, _ in self.keys])
        bent = np.array([[get(key, 0.0) for key in knots] for _, _, knots in self.keys])
        grid = np.linspace(-CLIP, CLIP, CELLS + 1)
        at = np.clip((grid + REACH) / STEP, 0, KNOTS - 1).astype(np.int64)
        missing = np.array([get(key, 0.0) for _, key, _ in self.keys])
        return straight[:, None] * grid + bent.reshape(-1, KNOTS)[:, at], missing
